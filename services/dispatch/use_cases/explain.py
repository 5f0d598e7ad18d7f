"""Why an offer went to one agent and to no other, or why nobody got one.

Nothing is remembered for this while the router works. The journal is folded again up to the
point in question, and whoever would be asked there is asked again.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.dispatch.domain.candidates import Candidate, Filter, candidates
from services.dispatch.domain.decisions import (
    Assigned,
    Cancelled,
    Completed,
    Decision,
    Offered,
    Queued,
)
from services.dispatch.domain.errors import NotFound, NotNow, TooLong
from services.dispatch.domain.inputs import QueueConfigured
from services.dispatch.domain.parties import Task
from services.dispatch.domain.refusals import asked_again_at
from services.dispatch.domain.state import State, evolve
from services.dispatch.domain.tenant import Tenant

from .ports import Millis, Newer, Position, Record, Torn, Unknown

LOOK_BACK_MS = 24 * 3_600_000
"""How long before the point in question the task's history is looked for, unless said."""
LONGEST_S = 20.0
END = 2**62
"""Behind every record, and after every moment."""


class Evidence(Protocol):
    """The logs of the shard of a tenant, read without disturbing who writes them."""

    def naming(self, tenant_id: str, task_id: str, since: int) -> AsyncGenerator[Record, None]:
        """Yield the records since a moment that name the task; perhaps some that do not."""
        ...

    def records(self, tenant_id: str, after: Position) -> AsyncGenerator[Record, None]:
        """Yield every record behind a position, up to the last there is. Raises Torn."""
        ...

    async def before(self, tenant_id: str, record: int, at: int) -> tuple[State, Position] | None:
        """Return the last state kept that is neither behind the record nor behind the moment."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """Which point of a task's life. One of `revision`, `offered_to`, `at`, `record`; none: now."""

    tenant_id: str
    task_id: str
    revision: int = 0
    """The offer that has it."""
    offered_to: str = ""
    """The last offer to this agent."""
    at: int = 0
    """As it stood at this moment: an offer that rang, or nobody."""
    record: int = 0
    """As it stood behind this record of the journal."""
    since: int = 0
    """From when on the task's history is looked for."""


class Standing(StrEnum):
    """What is explained. Part of the API, never renamed."""

    OFFERED = "OFFERED"
    WAITING = "WAITING"
    ASSIGNED_BY_HAND = "ASSIGNED_BY_HAND"


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the journal: before a decision of a step, or behind the record."""

    record: int
    step: int
    decision: int


@dataclass(frozen=True, slots=True)
class Considered:
    """An agent, the versions of what they were judged by, and how many tasks they had."""

    candidate: Candidate
    settings_version: int
    presence_version: int
    tasks: int
    asked_again_at: int
    """Until when they are excluded; 0: they are not, or until they choose Ready."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the engine finds at the point when it is asked again."""

    standing: Standing
    agent_id: str
    """Whom the journal says it went to. Empty: nobody."""
    chosen_id: str
    """Whom the engine prefers there. The same, or empty; otherwise the rule has changed since."""
    candidates: tuple[Considered, ...]
    queue: QueueConfigured
    priority: int
    revision: int
    excluded: tuple[str, ...]
    at: int
    record: int
    chain: bytes
    input_sequence: int


@dataclass(frozen=True, slots=True)
class _Life:
    """How a task stood, and the decision that made it so."""

    standing: Standing
    agent_id: str
    point: Point


@dataclass(slots=True)
class _Reached:
    """A state folded up to the point in question, and the step it was folded in."""

    state: State
    position: Position
    at: int
    input_sequence: int = 0


class Explain:
    """Answers one question at a time; whoever comes meanwhile waits their turn."""

    def __init__(self, evidence: Evidence, clock: Millis) -> None:
        self._evidence = evidence
        self._clock = clock
        self._turn = asyncio.Lock()

    async def __call__(self, question: Question) -> Explanation:
        """Raises Refusal: TASK_NOT_FOUND, OFFER_NOT_FOUND, TASK_ENDED, EXPLANATION_TOO_OLD.

        Raises TooLong when reading took longer than anybody should wait.
        """
        try:
            async with asyncio.timeout(LONGEST_S), self._turn:
                life = await self._life(question)
                reached = await self._fold(question, life)
        except (TimeoutError, Unknown) as slow:
            raise TooLong from slow
        except (Newer, Torn) as torn:
            raise NotNow(
                "EXPLANATION_TOO_OLD",
                "The logs no longer hold all that led here; ask about something later.",
            ) from torn
        return _look(question, life, reached)

    async def _life(self, question: Question) -> _Life:
        since = question.since or (question.at or self._clock()) - LOOK_BACK_MS
        tenant_id, task_id = question.tenant_id, question.task_id
        history = _History(question)
        async with aclosing(self._evidence.naming(tenant_id, task_id, since)) as records:
            async for record in records:
                if not history.read(record):
                    break
        return history.answer()

    async def _fold(self, question: Question, life: _Life) -> _Reached:
        """Fold up to the decision in question, or for who waits, up to the moment."""
        waits, point = life.standing is Standing.WAITING, life.point
        until = (question.at or END) if waits else END
        last = (question.record or END) if waits else point.record - 1
        kept = await self._evidence.before(question.tenant_id, last, until)
        state, position = kept or (State(), Position())
        reached = _Reached(state, position, state.at)
        records = self._evidence.records(question.tenant_id, position)
        async with aclosing(records):
            async for record in records:
                if waits and record.position.sequence > last:
                    break
                if not _fold_in(reached, record, None if waits else point, until):
                    break
        return reached


class _History:
    """Follows one task through the journal, up to the point in question."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._offer: _Life | None = None
        self._stands: _Life | None = None
        self._ended = False

    def read(self, record: Record) -> bool:
        """Follow the task through a record; say whether more could matter."""
        question = self._question
        if question.record and record.position.sequence > question.record:
            return False
        for number, made in enumerate(record.steps):
            if question.at and made.at > question.at:
                return False
            for place, decision in enumerate(made.decisions):
                if _task_of(decision) == (question.tenant_id, question.task_id):
                    self._heard(decision, Point(record.position.sequence, number, place))
                    if question.revision and self._offer is not None:
                        return False
        return True

    def _heard(self, decision: Decision, point: Point) -> None:
        question = self._question
        match decision:
            case Queued():
                self._stands = _Life(Standing.WAITING, "", point)
            case Offered():
                self._stands = _Life(Standing.OFFERED, decision.agent_id, point)
                if decision.revision == question.revision or (
                    decision.agent_id == question.offered_to
                ):
                    self._offer = self._stands
            case Assigned() if decision.assigned_by:
                self._stands = _Life(Standing.ASSIGNED_BY_HAND, decision.agent_id, point)
            case Completed() | Cancelled():
                self._ended = True
            case _:
                pass

    def answer(self) -> _Life:
        """Return how the task stood, or the offer that was asked for. Raises Refusal."""
        question = self._question
        named = {"task_id": question.task_id}
        if question.revision or question.offered_to:
            if self._offer is None:
                raise NotFound(
                    "OFFER_NOT_FOUND",
                    "There was no such offer in the last day; say since when to look.",
                    **named,
                )
            return self._offer
        if self._stands is None:
            raise NotFound(
                "TASK_NOT_FOUND",
                "Nothing happened to this task in the last day; say since when to look.",
                **named,
            )
        if self._ended:
            raise NotNow(
                "TASK_ENDED",
                "It is over; ask about a moment before, or about one of its offers.",
                **named,
            )
        return self._stands


def _task_of(it: Decision) -> tuple[str, str]:
    """Return tenant and id of the task a decision is about; nothing for others."""
    about = it.task if isinstance(it, Queued) else it
    return getattr(about, "tenant_id", ""), getattr(about, "task_id", "")


def _fold_in(reached: _Reached, record: Record, point: Point | None, until: int) -> bool:
    """Fold a record as far as asked for; say whether the next may be folded too."""
    for number, made in enumerate(record.steps):
        if made.at > until:
            return False
        here = point is not None and (point.record, point.step) == (
            record.position.sequence,
            number,
        )
        reached.position, reached.at = record.position, made.at
        reached.input_sequence = made.input_sequence
        for decision in made.decisions[: point.decision if here and point else None]:
            evolve(reached.state, decision, made.at)
        if here:
            return False
    return True


def _look(question: Question, life: _Life, reached: _Reached) -> Explanation:
    """Ask the engine who would get the task in a state."""
    tenant = reached.state.tenant(question.tenant_id)
    task = tenant.tasks[question.task_id]
    at = max(reached.at, question.at)
    found = candidates(reached.state, task, at)
    best = found[0] if found and found[0].removed_by is Filter.NONE else None
    return Explanation(
        standing=life.standing,
        agent_id=life.agent_id,
        chosen_id="" if best is None else best.agent_id,
        candidates=tuple(_considered(it, tenant, task) for it in found),
        queue=tenant.queue(task.submitted.queue_id),
        priority=task.priority,
        revision=task.revision,
        excluded=task.excluded,
        at=at,
        record=reached.position.sequence,
        chain=reached.position.chain,
        input_sequence=reached.input_sequence,
    )


def _considered(it: Candidate, tenant: Tenant, task: Task) -> Considered:
    agent = tenant.agents[it.agent_id]
    excluded = it.removed_by is Filter.EXCLUDED
    return Considered(
        it,
        agent.config.version,
        agent.presence.version,
        len(agent.tasks),
        asked_again_at(tenant, task, agent.id) if excluded else 0,
    )
