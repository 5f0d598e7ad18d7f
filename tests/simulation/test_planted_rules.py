"""The worlds have all rules of a company in them: a router that breaks one is caught by name."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from services.dispatch.adapters import events
from services.dispatch.domain import engine, following, overflow, state, supervision
from services.dispatch.domain.decisions import (
    Acted,
    AfterServiceStarted,
    Cancelled,
    Decision,
    OfferEnd,
    Overflowed,
    Queued,
)
from services.dispatch.domain.inputs import MoveTasks, SetQueueMode, TakeBackTask
from services.dispatch.domain.parties import Task
from services.dispatch.domain.tenant import Tenant
from tests.simulation.history import History, history
from tests.simulation.quiet import often_saved_and_quiet

WORLDS = 60

Patch = pytest.MonkeyPatch

# A leader that is told to end may have a snapshot left that it has not begun to save.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'Router._save' was never awaited")


@pytest.fixture(autouse=True)
def _often_saved_and_quiet(monkeypatch: Patch) -> None:
    often_saved_and_quiet(monkeypatch.setattr)


def who_lost_a_ring_is_not_told(patch: Patch) -> None:
    event_of = events.event_of

    def discreet(decision: Decision) -> Any:
        lost = getattr(decision, "end", None) is OfferEnd.TAKEN_ELSEWHERE
        return None if lost else event_of(decision)

    patch.setattr("services.dispatch.adapters.events.event_of", discreet)


def a_ring_has_two_winners(patch: Patch) -> None:
    closed = following.closed

    def deaf(task: Any, agent_ids: Any, end: OfferEnd) -> Iterator[Decision]:
        return iter(()) if end is OfferEnd.TAKEN_ELSEWHERE else closed(task, agent_ids, end)

    for module in (following, engine):
        patch.setattr(module, "closed", deaf)


def after_service_takes_no_room(patch: Patch) -> None:
    fold, release = state._FOLDS[AfterServiceStarted], state._release

    def freeing(of: state.State, it: AfterServiceStarted, at: int) -> None:
        tenant = of.tenants[it.tenant_id]
        task, agent = tenant.tasks[it.task_id], tenant.agents[it.agent_id]
        if task.after_service is None:
            agent.loads[task.load] -= 1
        fold(of, it, at)
        tenant.index.place_agent(agent)

    def evening_out(of: state.State, tenant: Tenant, task: Task, agent_id: str, at: int) -> None:
        if task.after_service is not None:
            loads = tenant.agents[agent_id].loads
            loads[task.load] = loads.get(task.load, 0) + 1
        release(of, tenant, task, agent_id, at)

    patch.setitem(state._FOLDS, AfterServiceStarted, freeing)
    patch.setattr(state, "_release", evening_out)


def a_task_is_dropped_on_its_way_to_another_queue(patch: Patch) -> None:
    leave = overflow.overflow

    def dropping(*of: Any) -> Iterator[Decision]:
        for decision in leave(*of):
            if isinstance(decision, Queued):
                it = decision.task
                yield Cancelled(it.tenant_id, it.task_id, it.queue_id, decision.revision)
            else:
                yield decision

    patch.setattr(overflow, "overflow", dropping)


def a_task_goes_round_and_round(patch: Patch) -> None:
    fold = state._FOLDS[Overflowed]

    def forgetful(of: state.State, it: Overflowed, at: int) -> None:
        fold(of, it, at)
        task = of.tenants[it.tenant_id].tasks[it.task_id]
        if it.revision == 2:  # once in its life, or it would go round for ever
            task.overflowed = task.overflowed[:0]

    patch.setitem(state._FOLDS, Overflowed, forgetful)


def a_drained_queue_lets_in(patch: Patch) -> None:
    shut_out = overflow.shut_out
    patch.setattr(overflow, "shut_out", lambda *of, **_: shut_out(*of, new=False))


def _without_entry(patch: Patch, kind: type, rule: Callable[..., Iterator[Decision]]) -> None:
    def silent(tenant: Tenant, it: Any, at: int) -> Iterator[Decision]:
        return (made for made in rule(tenant, it, at) if not isinstance(made, Acted))

    patch.setitem(engine._RULES, kind, following.once(silent))


def who_moved_tasks_is_not_written_down(patch: Patch) -> None:
    _without_entry(patch, MoveTasks, supervision.move_tasks)


def who_ruled_a_queue_is_not_written_down(patch: Patch) -> None:
    _without_entry(patch, SetQueueMode, supervision.set_queue_mode)


def who_took_a_task_back_is_not_written_down(patch: Patch) -> None:
    _without_entry(patch, TakeBackTask, supervision.take_back_task)


def a_move_forgets_the_last(patch: Patch) -> None:
    first_waiting = supervision._first_waiting

    def all_but_one(tenant: Tenant, it: MoveTasks) -> Any:
        class Short(list[Any]):
            def __iter__(self) -> Iterator[Any]:
                return iter(self[:-1])

        return Short(first_waiting(tenant, it))

    patch.setattr(supervision, "_first_waiting", all_but_one)


def a_queue_never_closes(patch: Patch) -> None:
    patch.setattr(overflow, "_closed", lambda *_: False)


PLANTS: dict[Callable[[Patch], None], str] = {
    who_lost_a_ring_is_not_told: "something was not told",
    a_ring_has_two_winners: "and it rings on at",
    after_service_takes_no_room: "holds more than their capacity",
    a_task_is_dropped_on_its_way_to_another_queue: "and it was to go to ('queue_id'",
    a_task_goes_round_and_round: "once more",
    a_drained_queue_lets_in: "is drained",
    who_moved_tasks_is_not_written_down: "was done and is not written down",
    who_ruled_a_queue_is_not_written_down: "was done and is not written down",
    who_took_a_task_back_is_not_written_down: "was done and is not written down",
    a_move_forgets_the_last: "was done and is not written down",
    a_queue_never_closes: "after closing time",
}
"""What of the worlds' complaints names the bug."""


@pytest.mark.parametrize(
    ("plant", "words"), PLANTS.items(), ids=lambda it: getattr(it, "__name__", "")
)
def test_a_router_is_caught_in_which(
    plant: Callable[[Patch], None], words: str, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    assert any(words in problem for seed in range(WORLDS) for problem in history(seed).problems)


def shown(it: History) -> Iterator[str]:
    """Name the rules by which something was decided in a world."""
    for stored in it.bus.records:
        for step in wire.Record.FromString(stored.data).steps:
            for decision in step.decisions:
                match decision.WhichOneof("body"):
                    case "overflowed":
                        yield public.TaskOverflowed.Cause.Name(decision.overflowed.cause)
                        yield str(decision.overflowed.overflow.WhichOneof("target"))
                    case "offer_closed":
                        yield public.OfferEnd.Name(decision.offer_closed.end)
                    case "group_set":
                        yield directory.RingStrategy.Name(decision.group_set.group.ring_strategy)
                    case "acted":
                        yield public.SupervisorActed.Action.Name(decision.acted.action)
                    case "after_service_started":
                        ends = decision.after_service_started.ends_at_ms
                        yield "limited" if ends else "unlimited"
                    case "completed" if decision.completed.forced:
                        yield "forced"
                    case _:
                        pass


def test_the_worlds_have_every_rule_in_them() -> None:
    missing = {
        *public.TaskOverflowed.Cause.keys()[1:],
        *public.OfferEnd.keys()[1:],
        *public.SupervisorActed.Action.keys()[1:6],  # the others are done to single tasks
        *directory.RingStrategy.keys()[1:],
        *(target.name for target in directory.Overflow.DESCRIPTOR.oneofs[0].fields),
        *("unlimited", "limited", "forced"),
    }
    worlds = iter(range(WORLDS))
    while missing and (seed := next(worlds, None)) is not None:
        missing -= set(shown(history(seed)))
    assert not missing
