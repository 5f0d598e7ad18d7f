"""One run: the engine, told by people who do not exist, on a clock that only jumps.

Nothing is routed here. The run hands the engine the same inputs that the router's log would hold
and fires its timers when they are due, as the router's leader does.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush
from typing import Any

from services.dispatch.domain.decisions import (
    AfterServiceStarted,
    Assigned,
    Cancelled,
    Completed,
    Offered,
)
from services.dispatch.domain.engine import step
from services.dispatch.domain.hours import expanded
from services.dispatch.domain.inputs import (
    AcceptOffer,
    FinishAfterService,
    Input,
    OpeningsForeseen,
    PresenceObserved,
    QueueConfigured,
    Role,
    TaskClosed,
    TaskSubmitted,
)
from services.dispatch.domain.state import State

from .arrivals import DAY_S, Call
from .scenario import TENANT, Scenario, Team


class Fate(IntEnum):
    """What became of a call."""

    WAITS = 0
    ANSWERED = 1
    ABANDONED = 2
    TURNED_AWAY = 3


@dataclass(slots=True)
class CallResult:
    """Times in milliseconds since the run began."""

    call: Call
    fate: Fate = Fate.WAITS
    offered_at: int = -1
    """When it first rang. -1: never."""
    left_line_at: int = -1
    """When it was answered, given up or turned away. -1: it still waits."""


@dataclass(slots=True)
class AgentResult:
    """Milliseconds within the part of the run that counts; `worked` times units of capacity."""

    queue_ids: tuple[str, ...]
    capacity: int
    staffed: int = 0
    worked: int = 0


@dataclass(slots=True)
class Result:
    calls: list[CallResult]
    agents: dict[str, AgentResult] = field(default_factory=dict)


def run(scenario: Scenario, calls: Sequence[Call]) -> Result:
    """Take the calls through the engine until the last has ended, or nobody comes any more."""
    return _Run(scenario, calls).result()


class _Run:
    def __init__(self, scenario: Scenario, calls: Sequence[Call]) -> None:
        self._scenario = scenario
        self._state = State()
        self._calls = [CallResult(call) for call in calls]
        self._agents: dict[str, AgentResult] = {}
        self._answer_ms: dict[str, int] = {}
        self._begun: dict[int, int] = {}
        self._left = len(calls)
        self._events: list[tuple[int, int, Callable[[Any, int], None], Any]] = []
        self._order = 0

    def result(self) -> Result:
        self._open()
        events, state, starts = self._events, self._state, self._scenario.starts
        while self._left and (events or state.next_timer() is not None):
            timer = state.next_timer()
            if timer is not None and (not events or timer[0] - starts <= events[0][0]):
                self._decide(timer[1], timer[0] - starts)
            else:
                at, _, happens, what = heappop(events)
                happens(what, at)
        return Result(self._calls, self._agents)

    def _open(self) -> None:
        for queue in self._scenario.queues.values():
            self._decide(queue.configured, 0)
            if queue.configured.policy.hours is not None:
                self._decide(_openings(self._scenario, queue.configured), 0)
        for group in self._scenario.groups:
            self._decide(group, 0)
        for team in self._scenario.teams:
            presences = list(_presences(self._scenario, team))
            for agent in team.agents:
                self._decide(agent, 0)
                self._answer_ms[agent.agent_id] = team.answer_ms
                self._agents[agent.agent_id] = AgentResult(
                    agent.queue_ids,
                    agent.capacity or 0,
                    sum(self._counted(begins, ends) for begins, ends in presences),
                )
                for begins, ends in presences:
                    self._later(begins, self._comes, agent.agent_id)
                    if ends < self._scenario.horizon or team.shifts:
                        self._later(ends, self._goes, agent.agent_id)
        if self._calls:
            self._later(self._calls[0].call.at, self._calls_in, 0)

    # What happens

    def _comes(self, agent_id: str, at: int) -> None:
        self._decide(PresenceObserved(TENANT, agent_id, 0, True, True), at)

    def _goes(self, agent_id: str, at: int) -> None:
        self._decide(PresenceObserved(TENANT, agent_id, 0, False, False), at)

    def _calls_in(self, number: int, at: int) -> None:
        if number + 1 < len(self._calls):
            self._later(self._calls[number + 1].call.at, self._calls_in, number + 1)
        call = self._calls[number].call
        if call.patience is not None:
            self._later(at + call.patience, self._gives_up, number)
        self._decide(
            TaskSubmitted(
                TENANT,
                str(number),
                call.queue_id,
                at + self._scenario.starts,
                call.cost,
                call.skills,
                call.priority,
                group_id=call.group_id,
            ),
            at,
        )

    def _gives_up(self, number: int, at: int) -> None:
        it = self._calls[number]
        if it.fate is Fate.WAITS:
            it.fate = Fate.ABANDONED
            self._decide(TaskClosed(TENANT, str(number)), at)

    def _answers(self, offer: Offered, at: int) -> None:
        self._decide(AcceptOffer(TENANT, offer.task_id, offer.agent_id), at)

    def _hangs_up(self, number: int, at: int) -> None:
        self._decide(TaskClosed(TENANT, str(number)), at)

    def _is_done(self, it: AfterServiceStarted, at: int) -> None:
        role = Role.AGENT
        self._decide(FinishAfterService(TENANT, it.task_id, it.agent_id, role), at)

    # What is decided

    def _decide(self, it: Input, at: int) -> None:
        for decision in step(self._state, it, at + self._scenario.starts):
            told = _TOLD.get(type(decision))
            if told is not None:
                told(self, decision, at)

    def _offered(self, it: Offered, at: int) -> None:
        call = self._calls[int(it.task_id)]
        if call.offered_at < 0:
            call.offered_at = at
        self._later(at + self._answer_ms[it.agent_id], self._answers, it)

    def _assigned(self, it: Assigned, at: int) -> None:
        number = int(it.task_id)
        call = self._calls[number]
        call.fate, call.left_line_at = Fate.ANSWERED, at
        self._begun[number] = at
        self._later(at + call.call.service, self._hangs_up, number)

    def _after_service_started(self, it: AfterServiceStarted, at: int) -> None:
        self._later(at + self._calls[int(it.task_id)].call.after_service, self._is_done, it)

    def _completed(self, it: Completed, at: int) -> None:
        number = int(it.task_id)
        worked = self._counted(self._begun.pop(number), at)
        self._agents[it.agent_id].worked += worked * self._calls[number].call.cost
        self._left -= 1

    def _cancelled(self, it: Cancelled, at: int) -> None:
        call = self._calls[int(it.task_id)]
        call.left_line_at = at
        if call.fate is Fate.WAITS:
            call.fate = Fate.TURNED_AWAY
        self._left -= 1

    def _later(self, at: int, happens: Callable[[Any, int], None], what: Any) -> None:
        self._order += 1
        heappush(self._events, (at, self._order, happens, what))

    def _counted(self, begins: int, ends: int) -> int:
        scenario = self._scenario
        return max(0, min(ends, scenario.horizon) - max(begins, scenario.warm_up))


_TOLD: dict[type[Any], Callable[[_Run, Any, int], None]] = {
    Offered: _Run._offered,  # noqa: SLF001 - its own table
    Assigned: _Run._assigned,  # noqa: SLF001 - its own table
    AfterServiceStarted: _Run._after_service_started,  # noqa: SLF001 - its own table
    Completed: _Run._completed,  # noqa: SLF001 - its own table
    Cancelled: _Run._cancelled,  # noqa: SLF001 - its own table
}


def _openings(scenario: Scenario, queue: QueueConfigured) -> OpeningsForeseen:
    """Tell the engine the queue's hours for as long as anybody may still wait."""
    since, until = scenario.starts, scenario.starts + scenario.horizon + round(DAY_S * 1000)
    hours = queue.policy.hours
    openings = ((since, until),) if hours is None else expanded(hours, since, until)
    return OpeningsForeseen(TENANT, queue.queue_id, queue.version, openings, until)


def _presences(scenario: Scenario, team: Team) -> Iterator[tuple[int, int]]:
    """Yield when a team is there, within the run."""
    if not team.shifts:
        yield 0, scenario.horizon
        return
    day = round(DAY_S * 1000)
    midnight = -round(scenario.starts_s * 1000) - day
    while midnight < scenario.horizon:
        for begins_s, ends_s in team.shifts:
            begins = max(0, midnight + round(begins_s * 1000))
            ends = min(scenario.horizon, midnight + round(ends_s * 1000))
            if begins < ends:
                yield begins, ends
        midnight += day
