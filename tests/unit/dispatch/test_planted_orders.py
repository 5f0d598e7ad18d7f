"""The checkers of what services and supervisors order are worth something, too."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from services.dispatch.adapters import snapshots
from services.dispatch.domain import engine, following, overflow, requests, supervision
from services.dispatch.domain.decisions import Acted, Action, Decision, OfferEnd, Queued
from services.dispatch.domain.index import Index
from services.dispatch.domain.inputs import (
    SERVICE,
    CancelTask,
    Command,
    CompleteTask,
    FinishAfterService,
    MoveTasks,
    TakeBackTask,
)
from services.dispatch.domain.parties import Task
from services.dispatch.domain.tenant import Tenant
from tests.unit.dispatch.machine import Routing
from tests.unit.dispatch.test_planted import SEARCH, Plant


def a_paused_queue_is_served(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Index, "pause", lambda *_, **__: None)


def a_drained_queue_lets_in(patch: pytest.MonkeyPatch) -> None:
    shut_out = overflow.shut_out
    patch.setattr(overflow, "shut_out", lambda *of, **_: shut_out(*of, new=False))


def any_supervisor_has_a_say_in_any_queue(patch: pytest.MonkeyPatch) -> None:
    for module in (supervision, requests):
        patch.setattr(module, "supervises", lambda *_: True)


def a_task_moves_without_its_age(patch: pytest.MonkeyPatch) -> None:
    move = supervision.move_tasks

    def young(tenant: Tenant, it: MoveTasks, at: int) -> Iterator[Decision]:
        for decision in move(tenant, it, at):
            if isinstance(decision, Queued):
                task = replace(decision.task, enqueued_at=decision.task.enqueued_at + 1)
                yield replace(decision, task=task)
            else:
                yield decision

    patch.setitem(engine._RULES, MoveTasks, following.once(young))


def who_took_a_task_back_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    take_back = supervision.take_back_task

    def silent(tenant: Tenant, it: TakeBackTask, at: int) -> Iterator[Decision]:
        return (made for made in take_back(tenant, it, at) if not isinstance(made, Acted))

    patch.setitem(engine._RULES, TakeBackTask, following.once(silent))


def who_ended_the_work_of_another_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    for kind in (CancelTask, CompleteTask, FinishAfterService):
        rule = engine._RULES[kind]

        def silent(
            tenant: Tenant, it: Command, at: int, rule: following.Rule = rule
        ) -> Iterator[Decision]:
            return (made for made in rule(tenant, it, at) if not isinstance(made, Acted))

        patch.setitem(engine._RULES, kind, silent)


def a_customer_who_gives_up_is_written_down(patch: pytest.MonkeyPatch) -> None:
    cancel = requests.cancel_task

    def chatty(tenant: Tenant, it: CancelTask, at: int) -> Iterator[Decision]:
        task = tenant.tasks.get(it.task_id)
        if task is not None and task.rings and it.actor_id.startswith(SERVICE):
            yield following.acted(it.actor_id, Action.TASK_CANCELLED, task, at)
        yield from cancel(tenant, it, at)

    patch.setitem(engine._RULES, CancelTask, following.once(chatty))


def whoever_calls_a_task_off_the_customer_is_blamed(patch: pytest.MonkeyPatch) -> None:
    call_off = following.call_off

    def blaming(tenant: Tenant, task: Task, _end: OfferEnd, at: int) -> Iterator[Decision]:
        return call_off(tenant, task, OfferEnd.CALLER_GAVE_UP, at)

    for module in (engine, requests):
        patch.setattr(module, "call_off", blaming)


def a_snapshot_forgets_that_a_queue_is_paused(patch: pytest.MonkeyPatch) -> None:
    pieces = snapshots._pieces
    kept: Callable[..., Any] = lambda it: (one for one in pieces(it) if not one.modes)  # noqa: E731 - one line of a plant
    patch.setattr(snapshots, "_pieces", kept)


PLANTS: dict[Plant, str] = {
    a_paused_queue_is_served: "is offered to .*, who must not get it",
    a_drained_queue_lets_in: "comes into a queue that is drained",
    any_supervisor_has_a_say_in_any_queue: "answered done, not {'QUEUE_NOT_YOURS'}",
    a_task_moves_without_its_age: "comes back changed: age",
    who_took_a_task_back_is_not_written_down: "done without acted",
    who_ended_the_work_of_another_is_not_written_down: "an act is not written down",
    a_customer_who_gives_up_is_written_down: "an act is not written down, or what is none",
    whoever_calls_a_task_off_the_customer_is_blamed: "is called off by somebody else",
    a_snapshot_forgets_that_a_queue_is_paused: "the snapshot changes the state",
}
"""What of the checkers' complaints names the bug."""


@pytest.mark.parametrize(
    ("plant", "words"), PLANTS.items(), ids=lambda it: getattr(it, "__name__", "")
)
def test_a_router_is_caught_in_which(
    plant: Plant, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=words):
        run_state_machine_as_test(Routing, settings=SEARCH)
