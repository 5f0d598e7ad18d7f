"""Where tasks go that cannot stay. Each step is checked by the ledger too."""

from collections.abc import Iterator

import pytest
from centralita.dispatch.v1.events_pb2 import TaskCancelled

from services.dispatch.adapters.events import events_of
from services.dispatch.domain.decisions import Cancelled, Decision, Overflowed
from services.dispatch.domain.inputs import (
    Channel,
    GroupConfigured,
    OpeningsForeseen,
    PresenceObserved,
    QueueConfigured,
    Role,
    TakeBackTask,
)
from services.dispatch.domain.policy import (
    BusinessHours,
    Overflow,
    OverflowCause,
    OverflowTo,
    Policy,
)
from tests.unit.dispatch.desk import ACME, NINE, Desk

MINUTE, HOUR = 60_000, 3_600_000
TO_SUPPORT = Overflow(OverflowTo.QUEUE, "support")
TO_SALES = Overflow(OverflowTo.QUEUE, "sales")


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def causes(decisions: list[Decision]) -> list[OverflowCause]:
    return [it.cause for it in decisions if isinstance(it, Overflowed)]


def test_who_waits_too_long_goes_to_the_other_queue_with_their_age(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(max_wait_ms=MINUTE, overflow=TO_SUPPORT))
    desk.queue("support", priority=80)
    desk.submit("t1")
    since = desk.task("t1").submitted.enqueued_at
    assert causes(desk.wait(MINUTE - 1)) == []
    assert causes(desk.wait(1)) == [OverflowCause.WAITED_TOO_LONG]
    task = desk.task("t1")
    assert (task.submitted.queue_id, task.submitted.enqueued_at) == ("support", since)
    assert task.priority == 80
    desk.works("ana", "support")
    assert desk.place("t1") == "rings ana"


def test_what_rings_when_the_wait_is_over_may_still_be_accepted(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(max_wait_ms=10_000))
    desk.submit("t1")
    desk.now += 9_000
    desk.works("ana")
    desk.wait(5_000)
    assert desk.accept("ana", "t1") == "done"


def test_what_nobody_takes_after_its_wait_is_over_does_not_wait_again(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(max_wait_ms=10_000))
    desk.works("ana")
    desk.submit("t1")
    desk.wait(11_000)
    desk.decline("ana", "t1")
    assert desk.place("t1") == "ended"


def test_what_overflows_to_the_agent_it_was_taken_from_goes_behind_what_waited_longer(
    desk: Desk,
) -> None:
    desk.queue("sales", policy=Policy(max_wait_ms=10_000, overflow=TO_SUPPORT))
    desk.queue("support")
    desk.works("ana")
    desk.submit("t2")
    desk.wait(11_000)
    desk.submit("t1", "support", age=MINUTE)
    desk.agent("ana", "support", version=2)
    assert desk.place("t1") == "rings ana"
    assert desk.task("t2").submitted.queue_id == "support"


def test_who_wants_other_work_gets_what_waited_longer_for_them_first(desk: Desk) -> None:
    patience = Policy(max_wait_ms=1_000, overflow=Overflow(OverflowTo.VOICEMAIL))
    desk.queue("sales", policy=patience, offer_timeout_ms=MINUTE)
    desk.works("ana")
    desk.submit("chat")
    desk.submit("left word", age=MINUTE, channel=Channel.VOICEMAIL)
    desk.wait(5_000)
    wants = (Channel.VOICEMAIL,)
    desk.give(PresenceObserved(ACME, "ana", 0, connected=True, receive_new=True, channels=wants))
    assert desk.place("left word") == "rings ana"
    assert desk.place("chat") == "waits"


def test_one_more_than_the_queue_holds_goes_elsewhere_and_the_others_stay(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(max_waiting=2, overflow=TO_SUPPORT))
    desk.queue("support")
    for number in range(3):
        desk.submit(f"t{number}")
    queues = [desk.task(f"t{number}").submitted.queue_id for number in range(3)]
    assert queues == ["sales", "sales", "support"]


def test_a_full_queue_still_serves_whom_somebody_is_free_for(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(max_waiting=1))
    desk.works("ana")
    desk.submit("waiting", skills=(("de", 1),))
    desk.submit("t1")
    assert desk.place("t1") == "rings ana"


def test_a_task_that_comes_back_is_not_one_too_many(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(max_waiting=1))
    desk.works("ana")
    desk.submit("first")
    desk.submit("second")
    desk.decline("ana", "first")
    assert desk.place("first") == "waits"


def test_a_message_is_told_and_the_task_ends(desk: Desk) -> None:
    desk.queue(
        "sales", policy=Policy(max_wait_ms=1_000, overflow=Overflow(OverflowTo.MESSAGE, "Adiós."))
    )
    desk.submit("t1")
    (ended,) = (it for it in desk.wait(1_000) if isinstance(it, Cancelled))
    assert ended.message == "Adiós."


def test_voicemail_stays_in_the_queue_and_does_not_overflow_again(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(max_wait_ms=1_000, overflow=Overflow(OverflowTo.VOICEMAIL)))
    desk.submit("t1")
    desk.wait(HOUR)
    assert desk.place("t1") == "waits"
    assert desk.task("t1").submitted.channel is Channel.VOICEMAIL


def test_a_group_is_rung_in_place_of_the_queue(desk: Desk) -> None:
    desk.queue(
        "sales", policy=Policy(max_wait_ms=1_000, overflow=Overflow(OverflowTo.GROUP, "night"))
    )
    desk.give(GroupConfigured(ACME, "night", 1, member_ids=("ana",)))
    desk.works("ana", "support")
    desk.submit("t1")
    desk.wait(1_000)
    assert desk.place("t1") == "rings ana"


@pytest.mark.parametrize(
    "nowhere", [Overflow(OverflowTo.QUEUE, "mistyped"), Overflow(OverflowTo.GROUP, "mistyped")]
)
def test_an_overflow_that_leads_nowhere_is_an_end(desk: Desk, nowhere: Overflow) -> None:
    desk.queue("sales", policy=Policy(max_wait_ms=1_000, overflow=nowhere))
    desk.submit("t1")
    desk.wait(1_000)
    assert desk.place("t1") == "ended"


def test_queues_that_overflow_into_each_other_do_not_send_a_task_round(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(overflow_when_nobody=True, overflow=TO_SUPPORT))
    desk.queue("support", policy=Policy(overflow_when_nobody=True, overflow=TO_SALES))
    desk.submit("t1")
    assert desk.place("t1") == "ended"


def test_the_longest_chain_ends_in_one_step(desk: Desk) -> None:
    for number in range(600):
        there = Overflow(OverflowTo.QUEUE, f"q{number + 1}")
        desk.queue(f"q{number}", policy=Policy(overflow_when_nobody=True, overflow=there))
    desk.queue("q600")
    desk.submit("t1", "q0")
    assert desk.task("t1").submitted.queue_id == "q600"


def test_a_task_waits_for_somebody_unless_its_queue_says_otherwise(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(overflow=TO_SUPPORT))
    desk.submit("t1")
    desk.wait(HOUR)
    assert desk.place("t1") == "waits"


def test_when_the_last_agent_of_a_queue_leaves_who_waits_goes_too(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(overflow_when_nobody=True, overflow=TO_SUPPORT))
    desk.queue("support")
    desk.works("ana")
    desk.works("bo")
    for number in range(4):
        desk.submit(f"t{number}")
    desk.gone("ana")
    assert desk.task("t3").submitted.queue_id == "sales"
    desk.here("bo", receive_new=False)
    assert {desk.task(f"t{n}").submitted.queue_id for n in range(4)} == {"support"}


def test_when_the_last_agent_is_moved_to_another_queue_who_waits_goes_too(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(overflow_when_nobody=True))
    desk.works("ana")
    desk.submit("t1")
    desk.submit("t2")
    desk.agent("ana", "support", version=2)
    assert desk.place("t2") == "ended"


def open_until(desk: Desk, closes: int, overflow: Overflow, *, priority: int = 50) -> None:
    hours = BusinessHours("Europe/Madrid", overflow=overflow)
    desk.queue("sales", policy=Policy(hours=hours), priority=priority)
    spans = ((NINE - HOUR, closes), (closes + HOUR, closes + 2 * HOUR))
    desk.give(OpeningsForeseen(ACME, "sales", 1, spans, closes + 3 * HOUR))


def test_at_closing_time_who_waits_goes_and_who_comes_does_not_get_in(desk: Desk) -> None:
    desk.queue("support")
    open_until(desk, NINE + 10_000, TO_SUPPORT)
    desk.works("ana")
    for task in ("rings", "waits"):
        desk.submit(task)
    decided = desk.wait(10_000)
    assert causes(decided) == [OverflowCause.CLOSED_HOURS]
    assert desk.place("rings") == "rings ana"
    desk.accept("ana", "rings")
    desk.complete("ana", "rings")
    desk.submit("late")
    assert desk.task("late").submitted.queue_id == "support"
    desk.wait(HOUR)
    desk.submit("next")
    assert desk.place("next") == "rings ana"


def test_hours_without_a_way_of_their_own_lead_where_the_queue_leads(desk: Desk) -> None:
    desk.queue("support")
    closing = Policy(overflow=TO_SUPPORT, hours=BusinessHours("Europe/Madrid"))
    desk.queue("sales", policy=closing)
    desk.give(OpeningsForeseen(ACME, "sales", 1, (), NINE + HOUR))
    desk.submit("t1")
    assert desk.task("t1").submitted.queue_id == "support"


def test_what_has_no_priority_of_its_own_follows_its_queue(desk: Desk) -> None:
    for queue_id in ("sales", "support"):
        desk.queue(queue_id, priority=50)
        desk.submit(f"in-{queue_id}", queue_id)
    desk.give(QueueConfigured(ACME, "support", 2, priority=90))
    desk.works("ana", "sales", "support")
    assert desk.place("in-support") == "rings ana"


def test_who_does_not_know_that_a_queue_is_closed_takes_it_for_open(desk: Desk) -> None:
    open_until(desk, NINE + MINUTE, Overflow())
    desk.wait(5 * HOUR)
    desk.submit("t1")
    assert desk.place("t1") == "waits"


def test_who_comes_back_after_closing_time_overtakes_nobody_where_they_go(desk: Desk) -> None:
    desk.queue("support", priority=50)
    open_until(desk, NINE + 10_000, TO_SUPPORT, priority=90)
    desk.works("ana", "sales", "support", capacity=2)
    desk.submit("older", "support", age=5_000)
    desk.submit("younger", "sales")
    desk.wait(10_000)
    desk.works("ben", "support")
    desk.gone("ana")
    assert desk.place("older") == "rings ben"
    assert desk.place("younger") == "waits"
    assert desk.task("younger").submitted.queue_id == "support"


def test_openings_of_settings_that_are_no_longer_so_change_nothing(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(hours=BusinessHours("Europe/Madrid")))
    assert desk.give(OpeningsForeseen(ACME, "sales", 7, (), NINE + HOUR)) == []
    assert desk.give(OpeningsForeseen(ACME, "support", 0, (), NINE + HOUR)) == []


def test_what_is_taken_back_after_closing_time_is_ended_by_nobody(desk: Desk) -> None:
    open_until(desk, desk.now + 1_000, Overflow())
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.wait(2_000)
    order = TakeBackTask(ACME, "t1", "boss", Role.MANAGER, request_id="r1", reply_to="here")
    events = [event for _, event in events_of(desk.give(order))]
    (end,) = (event for event in events if isinstance(event, TaskCancelled))
    assert end.ended_by == ""
