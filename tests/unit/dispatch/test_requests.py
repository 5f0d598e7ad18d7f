"""What services ask on behalf of whoever waits."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.decisions import OfferClosed, OfferEnd
from services.dispatch.domain.inputs import (
    CancelTask,
    ReportUnreachable,
    Role,
    TaskClosed,
    TaskSubmitted,
)
from tests.unit.dispatch.desk import ACME, Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.queue("sales")
    desk.works("ana")
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def call(task_id: str = "t1", queue_id: str = "sales", group_id: str = "") -> TaskSubmitted:
    return TaskSubmitted(ACME, task_id, queue_id, 0, group_id=group_id)


def test_a_submitted_task_is_as_old_as_its_submission(desk: Desk) -> None:
    assert desk.request(call()) == "done"
    assert desk.place("t1") == "rings ana"
    assert desk.task("t1").submitted.enqueued_at == desk.now


def test_a_task_is_submitted_once_whatever_the_request(desk: Desk) -> None:
    desk.request(call())
    revision = desk.task("t1").revision
    assert desk.request(call()) == "done"
    assert desk.task("t1").revision == revision
    desk.close("t1")
    assert desk.request(call()) == "done"
    assert desk.place("t1") == "ended"


def test_a_destination_must_be_there(desk: Desk) -> None:
    assert desk.request(call(queue_id="mistyped")) == "QUEUE_NOT_FOUND"
    assert desk.request(call(queue_id="", group_id="mistyped")) == "GROUP_NOT_FOUND"
    assert desk.place("t1") == "unknown"


def test_a_supervisor_submits_where_they_belong(desk: Desk) -> None:
    desk.queue("support")
    desk.group("desk", "ana")
    desk.group("sues", "sue")
    desk.agent("sue", "support")
    as_sue = ("sue", Role.SUPERVISOR)
    assert desk.request(call(), *as_sue) == "QUEUE_NOT_YOURS"
    assert desk.request(call(queue_id="", group_id="desk"), *as_sue) == "GROUP_NOT_YOURS"
    assert desk.request(call("t2", "support"), *as_sue) == "done"
    assert desk.request(call("t3", "", "sues"), *as_sue) == "done"


def test_a_device_that_cannot_ring_lets_the_task_go_on(desk: Desk) -> None:
    desk.works("bo")
    desk.submit("t1", age=5_000)
    since = desk.task("t1").submitted.enqueued_at
    closed, *_ = desk.give(ReportUnreachable(ACME, "t1", "ana"))
    assert isinstance(closed, OfferClosed)
    assert closed.end is OfferEnd.UNREACHABLE
    assert desk.place("t1") == "rings bo"
    assert desk.task("t1").submitted.enqueued_at == since


def test_it_does_not_ring_again_and_again_at_a_device_that_cannot(desk: Desk) -> None:
    # amazon-connect-streams #292: a rejected call rang the same only agent in a loop.
    desk.submit("t1")
    desk.unreachable("ana", "t1")
    assert desk.place("t1") == "waits"
    assert desk.unreachable("ana", "t1") == "OFFER_NOT_YOURS"
    desk.here("ana", receive_new=False)
    desk.here("ana")
    assert desk.place("t1") == "rings ana"


def test_in_a_group_the_others_ring_on(desk: Desk) -> None:
    desk.works("bo")
    desk.group("desk", "ana", "bo")
    desk.request(call(queue_id="", group_id="desk"))
    assert desk.unreachable("ana", "t1") == "done"
    assert desk.place("t1") == "rings bo"


def test_a_caller_who_gives_up_silences_the_phone_and_frees_the_agent(desk: Desk) -> None:
    desk.submit("t1")
    desk.submit("t2")
    closed, *_ = desk.give(CancelTask(ACME, "t1", "service:voice", Role.OWNER))
    assert isinstance(closed, OfferClosed)
    assert closed.end is OfferEnd.CALLER_GAVE_UP
    assert desk.place("t1") == "ended"
    assert desk.place("t2") == "rings ana"
    assert desk.cancel("t1") == "done"


@pytest.mark.parametrize(
    "by_hand",
    [CancelTask(ACME, "t1", "boss", Role.MANAGER), TaskClosed(ACME, "t1", closed_by="boss")],
)
def test_what_a_person_ends_while_it_rings_is_cancelled_and_not_given_up(
    desk: Desk, by_hand: CancelTask | TaskClosed
) -> None:
    desk.submit("t1")
    ends = [made.end for made in desk.give(by_hand) if isinstance(made, OfferClosed)]
    assert ends == [OfferEnd.CANCELLED]
    assert desk.place("t1") == "ended"


def test_what_somebody_holds_is_not_cancelled_but_completed(desk: Desk) -> None:
    desk.submit("t1")
    desk.accept("ana", "t1")
    assert desk.cancel("t1") == "TASK_ALREADY_ASSIGNED"
    assert desk.cancel("t9") == "TASK_NOT_FOUND"


def test_supervisors_cancel_in_their_own_queues(desk: Desk) -> None:
    desk.agent("sue", "support")
    desk.submit("t1")
    assert desk.cancel("t1", "sue", Role.SUPERVISOR) == "TASK_NOT_IN_YOUR_QUEUES"
    assert desk.cancel("t1", "ana", Role.AGENT) == "TASK_NOT_IN_YOUR_QUEUES"
    assert desk.cancel("t1", "ana", Role.SUPERVISOR) == "done"
