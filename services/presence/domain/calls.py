"""Where a call stands between agents, as dispatch told it in whatever order.

Every event of a task carries a revision, so what is known is kept by its revision and an older
word about the same thing changes nothing: all orders of the same events lead to the same call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .status import Stage


@dataclass(frozen=True, slots=True)
class Ring:
    """Whether it rings at an agent, as of a revision."""

    rings: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Who has the call, and how far they are. Empty id: nobody."""

    agent_id: str = ""
    stage: Stage = Stage.NONE
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    tenant_id: str
    task_id: str
    rings: Mapping[str, Ring] = field(default_factory=dict)
    """By agent; whoever ever had to do with the call stays in it."""
    hold: Hold = Hold()
    version: int = 0
    """As the store has it."""

    def stage_of(self, agent_id: str) -> Stage:
        if self.hold.agent_id == agent_id:
            return self.hold.stage
        ring = self.rings.get(agent_id)
        return Stage.DIALING if ring is not None and ring.rings else Stage.NONE

    @property
    def busy(self) -> frozenset[str]:
        """The agents whom it occupies now."""
        return frozenset(one for one in self.rings if self.stage_of(one) is not Stage.NONE)

    def moved(self, after: "Call") -> frozenset[str]:
        """Whose stage differs in `after`; when nothing does, everybody who might have missed it."""
        if after is self:
            return frozenset(self.rings)
        return frozenset(
            one for one in after.rings if self.stage_of(one) is not after.stage_of(one)
        )

    def rung(self, revision: int, agent_id: str) -> "Call":
        """It began to ring at an agent."""
        return self._ring(agent_id, Ring(rings=True, revision=revision))

    def rings_no_more(self, revision: int, agent_id: str) -> "Call":
        return self._ring(agent_id, Ring(rings=False, revision=revision))

    def held(self, revision: int, agent_id: str, stage: Stage) -> "Call":
        """An agent has it, at this stage. Whatever rang at them before is answered."""
        answered = self.rings_no_more(revision, agent_id)
        if revision <= self.hold.revision:
            return answered
        return replace(answered, hold=Hold(agent_id, stage, revision))

    def let_go(self, revision: int) -> "Call":
        """Nobody has it any more: it waits again, or is over. Each ringing ends on its own."""
        if revision <= self.hold.revision:
            return self
        return replace(self, hold=Hold(revision=revision))

    def _ring(self, agent_id: str, ring: Ring) -> "Call":
        known = self.rings.get(agent_id)
        if known is not None and known.revision >= ring.revision:
            return self
        return replace(self, rings={**self.rings, agent_id: ring})
