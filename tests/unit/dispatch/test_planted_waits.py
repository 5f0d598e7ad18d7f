"""The checkers of waits and after-service are worth something: each of these routers is caught.

By stories, at once: chance would tell them too rarely.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.dispatch.domain import after_service, ending, moments, overflow, staff, state
from services.dispatch.domain.decisions import AfterServiceStarted, Overflowed
from services.dispatch.domain.inputs import Channel, OpeningsForeseen, Sticky, StickyTo
from services.dispatch.domain.policy import (
    AfterService,
    AfterServiceMode,
    BusinessHours,
    OnAgentLost,
    Overflow,
    OverflowTo,
    Policy,
)
from services.dispatch.domain.staff import Staff
from services.dispatch.domain.timers import AfterServiceRanOut, WaitedTooLong
from tests.unit.dispatch.desk import ACME, Desk

Plant = Callable[[pytest.MonkeyPatch], None]


def a_wait_has_no_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(moments._MOMENTS, WaitedTooLong, lambda *_: 0)


def nobody_is_ever_forced_out(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(moments._MOMENTS, AfterServiceRanOut, lambda *_: 0)


def a_queue_never_closes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(overflow, "_closed", lambda *_: False)


def somebody_always_seems_to_be_there(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Staff, "has_anybody_for", lambda *_: True)


def who_is_there_is_taken_for_able(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(staff, "_could_take", lambda *_: True)


def a_task_overflows_as_often_as_it_likes(patch: pytest.MonkeyPatch) -> None:
    fold = state._FOLDS[Overflowed]

    def forgetful(of: state.State, it: Overflowed, at: int) -> None:
        fold(of, it, at)
        of.tenants[it.tenant_id].tasks[it.task_id].overflowed = ()

    patch.setitem(state._FOLDS, Overflowed, forgetful)


def the_after_service_is_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(after_service, "over", lambda _tenant, task, _at: after_service.finished(task))


def the_limit_comes_too_early(patch: pytest.MonkeyPatch) -> None:
    over = after_service.over

    def early(tenant: Any, task: Any, at: int) -> Any:
        made = over(tenant, task, at)
        if isinstance(made, AfterServiceStarted) and made.ends_at:
            return replace(made, ends_at=made.ends_at - 500)
        return made

    patch.setattr(after_service, "over", early)


def the_work_of_a_lost_agent_is_left_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ending, "_lost", lambda *_, **__: iter(()))


def a_full_queue_asks_nobody(patch: pytest.MonkeyPatch) -> None:
    shut_out = overflow.shut_out

    def hasty(tenant: Any, task: Any, *, new: bool) -> Any:
        return shut_out(tenant, task, new=new) or overflow.cause_for(tenant, task, 0, new=new)

    patch.setattr(overflow, "shut_out", hasty)


def told() -> Desk:
    """Live through waits that end in every way, and two after-services."""
    desk = Desk()
    there = Overflow(OverflowTo.QUEUE, "support")
    back = Overflow(OverflowTo.QUEUE, "sales")
    desk.queue("sales", policy=Policy(max_wait_ms=5_000, overflow=there))
    desk.queue("support", policy=Policy(max_wait_ms=5_000, overflow=back))
    desk.submit("round")
    desk.wait(60_000)
    desk.queue("empty", policy=Policy(overflow_when_nobody=True))
    desk.submit("alone", "empty")
    desk.queue("phones", policy=Policy(overflow_when_nobody=True))
    desk.agent("eli", "phones", channels=(Channel.CALL,))
    desk.here("eli")
    desk.submit("typed", "phones")
    desk.queue("shop", policy=Policy(hours=BusinessHours("Europe/Madrid")))
    spans = ((desk.now - 1, desk.now + 1_000),)
    desk.give(OpeningsForeseen(ACME, "shop", 1, spans, desk.now + 9_000))
    desk.submit("early", "shop")
    desk.wait(1_000)
    desk.submit("late", "shop")
    limited = AfterService(AfterServiceMode.LIMITED, limit_ms=3_000)
    desk.queue("care", policy=Policy(after_service=limited))
    desk.works("ana", "care")
    for task in ("forced", "closed"):
        desk.submit(task, "care")
        desk.accept("ana", task)
        desk.close(task)
        desk.wait(3_000)
    desk.queue("chat", policy=Policy(on_agent_lost=OnAgentLost.REQUEUE))
    desk.works("bo", "chat")
    desk.submit("lost", "chat")
    desk.accept("bo", "lost")
    desk.gone("bo")
    sticky = Sticky(StickyTo.PREFERRED, hold_ms=9_000)
    desk.queue("full", policy=Policy(max_waiting=1), sticky=sticky)
    desk.works("cyd", "full")
    desk.submit("rings", "full")
    desk.works("dan", "full")
    for task in ("kept", "one too many", "two too many"):
        desk.submit(task, "full", preferred_agent_id="cyd")
    desk.save_and_load()
    return desk


def test_a_router_without_a_bug_is_not_caught() -> None:
    assert told().problems == []


PLANTS: dict[Plant, str] = {
    the_work_of_a_lost_agent_is_left_behind: "lost stays with an agent who is lost",
    a_wait_has_no_limit: "round has waited too long",
    nobody_is_ever_forced_out: "forced is beyond the limit of its after-service",
    a_queue_never_closes: "early waits after closing time",
    a_full_queue_asks_nobody: "one too many overflows and was for cyd only",
    somebody_always_seems_to_be_there: "alone waits where nobody is",
    who_is_there_is_taken_for_able: "typed waits where nobody is",
    a_task_overflows_as_often_as_it_likes: "round goes to ('queue_id', 'sales'), not to end",
    the_after_service_is_left_out: "forced has no after-service",
    the_limit_comes_too_early: "forced ends at ",
}
"""What of the checkers' complaints names the bug."""


@pytest.mark.parametrize(
    ("plant", "words"), PLANTS.items(), ids=lambda it: getattr(it, "__name__", "")
)
def test_a_router_is_caught_in_which(
    plant: Plant, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert any(words in problem for problem in told().problems)
