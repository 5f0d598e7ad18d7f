"""What one input may not cost, however many agents and tasks there are: in calls, not in time."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.decisions import Decision, Overflowed
from services.dispatch.domain.engine import step
from services.dispatch.domain.inputs import (
    AgentConfigured,
    Input,
    PresenceObserved,
    QueueConfigured,
    Relaxation,
    Skills,
    TaskSubmitted,
)
from services.dispatch.domain.policy import Policy
from services.dispatch.domain.state import State
from tests.unit.dispatch.desk import ACME, NINE
from tests.unit.dispatch.steps import calls

DESERTED = Policy(overflow_when_nobody=True)
RARE: Skills = (("rare", 5),)


class House:
    """A router without bytes: what is told is decided and folded, and its calls are counted."""

    def __init__(self) -> None:
        self.state = State()
        self.now = NINE
        self.made: list[Decision] = []

    def tell(self, it: Input) -> int:
        self.now += 1
        return calls(lambda: self._step(it))

    def _step(self, it: Input) -> None:
        self.made = step(self.state, it, self.now)

    def staffed(self, agents: Iterator[Skills], capacity: int | None = 1) -> None:
        """Have agents of these skills work."""
        for number, skills in enumerate(agents):
            agent_id = f"agent-{number}"
            self.tell(AgentConfigured(ACME, agent_id, 1, False, ("sales",), skills, capacity))
            self.tell(PresenceObserved(ACME, agent_id, 1, connected=True, receive_new=True))

    def wait(self, tasks: int, skills: Skills = ()) -> None:
        for number in range(tasks):
            self.tell(TaskSubmitted(ACME, f"task-{number}", "sales", self.now, 1, skills))

    def count(self, kind: type[Decision]) -> int:
        return sum(isinstance(it, kind) for it in self.made)


def differing(number: int) -> Iterator[Skills]:
    """Return agents each with a skill of their own, the last with a rare one besides."""
    for one in range(number):
        own = ((f"skill-{one}", 3),)
        yield (*RARE, *own) if one == number - 1 else own


def toggled(agents: int, tasks: int, relaxations: tuple[Relaxation, ...] = ()) -> int:
    """Return what it costs that the first of many agents receives no more, while others wait."""
    house = House()
    house.tell(QueueConfigured(ACME, "sales", 1, policy=DESERTED, relaxations=relaxations))
    house.staffed(differing(agents))
    house.wait(tasks, RARE)
    cost = house.tell(PresenceObserved(ACME, "agent-0", 2, connected=True, receive_new=False))
    assert house.count(Overflowed) == 0
    return cost


@pytest.mark.parametrize("relaxations", [(), (Relaxation(60_000, "rare", 1),)])
def test_who_leaves_is_not_asked_about_by_every_task_that_waits(
    relaxations: tuple[Relaxation, ...],
) -> None:
    assert toggled(10, 200, relaxations) <= toggled(10, 20, relaxations) + 50


def test_who_leaves_is_not_asked_about_for_what_they_could_never_take() -> None:
    assert toggled(200, 20) <= toggled(20, 20) + 50


def test_nobody_is_looked_for_once_for_each_who_asks_the_same() -> None:
    def leaves(agents: int) -> int:
        house = House()
        house.tell(QueueConfigured(ACME, "sales", 1, policy=DESERTED))
        house.staffed(differing(agents))
        house.wait(50, RARE)
        last = f"agent-{agents - 1}"
        cost = house.tell(PresenceObserved(ACME, last, 2, connected=True, receive_new=False))
        assert house.count(Overflowed) == 50
        return cost

    assert leaves(100) <= leaves(10) + 1_000
