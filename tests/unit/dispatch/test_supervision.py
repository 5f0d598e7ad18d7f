"""Pause, drain, move, take back: what supervisors do to queues and to the work of others."""

from collections.abc import Iterator

import pytest
from centralita.dispatch.v1.events_pb2 import AfterServiceStarted, TaskCancelled, TaskCompleted

from services.dispatch.adapters.events import events_of
from services.dispatch.domain.decisions import Acted, Action, Decision, Overflowed, Queued
from services.dispatch.domain.inputs import (
    CancelTask,
    CompleteTask,
    FinishAfterService,
    MoveTasks,
    OpeningsForeseen,
    QueueConfigured,
    QueueMode,
    Role,
    SetQueueMode,
    TakeBackTask,
    TaskSubmitted,
)
from services.dispatch.domain.policy import (
    AfterService,
    AfterServiceMode,
    BusinessHours,
    Overflow,
    OverflowCause,
    OverflowTo,
    Policy,
)
from tests.unit.dispatch.desk import ACME, NINE, Desk

HOUR = 3_600_000
SUPERVISOR, AGENT = Role.SUPERVISOR, Role.AGENT


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    for queue_id in ("sales", "support"):
        desk.queue(queue_id)
    desk.works("ana")
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def test_in_a_paused_queue_nothing_is_offered_and_everything_keeps_its_age(desk: Desk) -> None:
    assert desk.mode(QueueMode.PAUSED) == "done"
    desk.submit("young")
    desk.submit("old", age=60_000)
    desk.works("bo", capacity=5)
    assert desk.place("young") == desk.place("old") == "waits"
    desk.mode(QueueMode.OPEN)
    assert desk.place("old") == "rings ana"
    assert desk.place("young") == "rings bo"


def test_what_rings_when_a_queue_is_paused_may_still_be_accepted(desk: Desk) -> None:
    desk.submit("t1")
    desk.mode(QueueMode.PAUSED)
    assert desk.accept("ana", "t1") == "done"


def test_what_rings_out_while_its_queue_is_paused_waits(desk: Desk) -> None:
    desk.works("bo")
    desk.submit("t1")
    desk.mode(QueueMode.PAUSED)
    desk.wait(20_000)
    assert desk.place("t1") == "waits"
    desk.mode(QueueMode.OPEN)
    assert desk.place("t1") == "rings bo"


def test_agents_of_a_paused_queue_serve_their_other_queues(desk: Desk) -> None:
    desk.mode(QueueMode.PAUSED)
    desk.works("bo", "sales", "support")
    desk.submit("t1")
    desk.submit("t2", "support")
    assert desk.place("t2") == "rings bo"


def test_a_queue_stays_paused_whoever_comes_and_whatever_it_is_told(desk: Desk) -> None:
    desk.submit("t0")
    desk.mode(QueueMode.PAUSED)
    desk.works("bo", skills=(("es", 3),))
    desk.submit("t1", skills=(("es", 2),))
    desk.here("bo", receive_new=False)
    desk.here("bo")
    assert desk.place("t1") == "waits"


def test_a_paused_queue_is_paused_after_a_restart(desk: Desk) -> None:
    desk.mode(QueueMode.PAUSED)
    desk.save_and_load()
    desk.submit("t1")
    assert desk.place("t1") == "waits"


def test_from_a_paused_queue_one_can_still_take_a_task_by_hand(desk: Desk) -> None:
    desk.mode(QueueMode.PAUSED)
    desk.submit("t1")
    assert desk.assign("ana", "t1") == "done"
    assert desk.place("t1") == "held ana"


def test_setting_the_mode_that_is_set_is_no_act(desk: Desk) -> None:
    order = SetQueueMode(ACME, "sales", QueueMode.OPEN, "boss", Role.MANAGER)
    assert not any(isinstance(it, Acted) for it in desk.give(order))


def test_who_paused_is_written_down_beside_what_they_did(desk: Desk) -> None:
    order = SetQueueMode(ACME, "sales", QueueMode.PAUSED, "boss", Role.MANAGER)
    acted = [it for it in desk.give(order) if isinstance(it, Acted)]
    assert acted == [Acted(ACME, "boss", Action.QUEUE_PAUSED, desk.now, "sales")]


def test_supervisors_rule_their_own_queues_and_managers_all(desk: Desk) -> None:
    desk.agent("sue", "support")
    assert desk.mode(QueueMode.PAUSED, "sales", "sue", SUPERVISOR) == "QUEUE_NOT_YOURS"
    assert desk.mode(QueueMode.PAUSED, "support", "sue", AGENT) == "QUEUE_NOT_YOURS"
    assert desk.mode(QueueMode.PAUSED, "support", "sue", SUPERVISOR) == "done"
    assert desk.mode(QueueMode.PAUSED, "nobodys") == "QUEUE_NOT_FOUND"


def test_tasks_move_with_their_age_and_find_who_answers_there(desk: Desk) -> None:
    desk.mode(QueueMode.PAUSED)
    desk.submit("young")
    desk.submit("old", age=60_000)
    desk.works("bo", "support")
    since = desk.task("old").submitted.enqueued_at
    assert desk.move("sales", "support").count == 2
    assert desk.place("old") == "rings bo"
    assert desk.task("old").submitted.enqueued_at == since
    assert desk.task("young").submitted.queue_id == "support"
    assert desk.move("sales", "support").count == 0


def test_a_moved_task_has_the_priority_of_the_queue_it_comes_to(desk: Desk) -> None:
    desk.queue("vip", priority=90)
    desk.mode(QueueMode.PAUSED)
    desk.submit("moved")
    desk.submit("own", priority=10)
    desk.move("sales", "vip")
    assert [desk.task(it).priority for it in ("moved", "own")] == [90, 10]


def test_what_waits_in_a_queue_that_is_no_more_has_a_way_out(desk: Desk) -> None:
    desk.agent("ana", "support", version=2)
    desk.submit("t1")
    desk.submit("t2", "mistyped")
    desk.give(QueueConfigured(ACME, "sales", 2, removed=True))
    assert desk.move("support", "sales").reason == "QUEUE_NOT_FOUND"
    assert desk.move("sales", "support").count == 1
    assert desk.place("t1") == "rings ana"
    assert desk.move("sales", "support").count == 0
    assert desk.move("mistyped", "support").count == 1
    assert desk.move("never heard of", "support").reason == "QUEUE_NOT_FOUND"


def test_only_what_waits_and_was_named_is_moved(desk: Desk) -> None:
    desk.submit("rung")
    desk.submit("named")
    desk.submit("other")
    assert desk.move("sales", "support", "named", "rung", "ghost").count == 1
    assert desk.task("named").submitted.queue_id == "support"
    assert desk.task("other").submitted.queue_id == desk.task("rung").submitted.queue_id == "sales"


def test_a_thousand_are_moved_at_once_and_the_rest_with_the_next_command(desk: Desk) -> None:
    desk.mode(QueueMode.PAUSED)
    for number in range(1_003):
        desk.submit(f"t{number}")
    decisions = desk.give(MoveTasks(ACME, "sales", "support", "boss", Role.MANAGER))
    first = [it.task.task_id for it in decisions if isinstance(it, Queued)]
    assert first == [f"t{number}" for number in range(1_000)]
    assert desk.move("sales", "support").count == 3


def test_a_repeated_move_is_answered_alike_and_moves_nothing_more(desk: Desk) -> None:
    desk.mode(QueueMode.PAUSED)
    desk.submit("t1")
    order = MoveTasks(ACME, "sales", "support", "boss", Role.MANAGER, (), "r1")
    *_, first = desk.give(order)
    desk.submit("t2")
    desk.save_and_load()
    assert desk.give(order) == [first]
    assert getattr(first, "count", 0) == 1


def test_who_moves_rules_both_queues(desk: Desk) -> None:
    desk.agent("sue", "sales")
    desk.submit("t1")
    move = desk.move("sales", "support", actor_id="sue", role=SUPERVISOR)
    assert move.reason == "QUEUE_NOT_YOURS"


def test_a_task_taken_back_goes_on_with_its_age(desk: Desk) -> None:
    desk.submit("t1", age=5_000)
    since = desk.task("t1").submitted.enqueued_at
    desk.accept("ana", "t1")
    desk.works("bo")
    assert desk.take_back("t1", exclude_agent=True) == "done"
    assert desk.place("t1") == "rings bo"
    assert desk.task("t1").submitted.enqueued_at == since
    assert desk.task("t1").excluded == ("ana",)


def test_who_lost_a_task_may_get_it_again_unless_they_are_excluded(desk: Desk) -> None:
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.take_back("t1")
    assert desk.place("t1") == "rings ana"


def test_the_room_that_a_taken_task_leaves_goes_to_who_waits_longest(desk: Desk) -> None:
    desk.submit("held")
    desk.accept("ana", "held")
    desk.submit("older", age=60_000)
    desk.take_back("held")
    assert desk.place("older") == "rings ana"
    assert desk.place("held") == "waits"


def test_what_is_taken_back_after_hours_goes_where_the_queue_sends_it(desk: Desk) -> None:
    closing = BusinessHours("UTC", overflow=Overflow(OverflowTo.QUEUE, "support"))
    desk.queue("day", policy=Policy(hours=closing))
    desk.give(OpeningsForeseen(ACME, "day", 1, ((NINE, NINE + HOUR),), NINE + 24 * HOUR))
    desk.works("bo", "day", "support")
    desk.submit("held", "day")
    desk.accept("bo", "held")
    desk.wait(HOUR)
    desk.submit("older", "support", age=2 * HOUR)
    desk.take_back("held")
    assert desk.place("older") == "rings bo"
    assert desk.task("held").submitted.queue_id == "support"


def test_what_is_taken_back_after_hours_may_end_and_leaves_nothing_behind(desk: Desk) -> None:
    desk.queue("day", policy=Policy(hours=BusinessHours("UTC")))
    desk.give(OpeningsForeseen(ACME, "day", 1, ((NINE, NINE + HOUR),), NINE + 24 * HOUR))
    desk.works("bo", "day")
    desk.submit("held", "day")
    desk.accept("bo", "held")
    desk.wait(HOUR)
    desk.take_back("held")
    assert desk.place("held") == "ended"
    assert desk.state.tenants[ACME].agents["bo"].loads == {}


def test_a_group_gets_back_what_is_taken_from_its_member(desk: Desk) -> None:
    desk.works("bo")
    desk.group("desk", "ana", "bo")
    desk.submit("t1", "", group_id="desk")
    desk.accept("ana", "t1")
    desk.take_back("t1")
    assert desk.place("t1") == "rings ana bo"


def test_taking_back_needs_authority_and_a_holder(desk: Desk) -> None:
    desk.agent("sue", "support")
    desk.submit("t1")
    assert desk.take_back("t1") == "TASK_NOT_ASSIGNED"
    desk.accept("ana", "t1")
    assert desk.take_back("t1", "sue", SUPERVISOR) == "TASK_NOT_IN_YOUR_QUEUES"
    assert desk.take_back("t1", "ana", AGENT) == "TASK_NOT_IN_YOUR_QUEUES"
    assert desk.take_back("t9") == "TASK_NOT_FOUND"


def test_what_was_taken_from_whom_is_written_down(desk: Desk) -> None:
    desk.submit("t1")
    desk.accept("ana", "t1")
    acted, *_ = desk.give(TakeBackTask(ACME, "t1", "boss", Role.MANAGER))
    assert acted == Acted(ACME, "boss", Action.TASK_TAKEN_BACK, desk.now, "sales", "t1", "ana")


def acts(decisions: list[Decision]) -> list[tuple[str, Action, str, str]]:
    return [
        (it.actor_id, it.action, it.task_id, it.agent_id)
        for it in decisions
        if isinstance(it, Acted)
    ]


def test_what_is_done_over_the_head_of_an_agent_is_written_down(desk: Desk) -> None:
    notes = Policy(after_service=AfterService(AfterServiceMode.UNLIMITED))
    desk.queue("vip", policy=notes)
    desk.works("bo", "vip")
    for task_id in ("t1", "t2"):
        desk.submit(task_id, "vip")
    desk.accept("bo", "t1")
    over = CompleteTask(ACME, "t1", "boss", Role.MANAGER)
    assert acts(desk.give(over)) == [("boss", Action.TASK_COMPLETED, "t1", "bo")]
    assert acts(desk.give(over)) == []
    enough = FinishAfterService(ACME, "t1", "boss", Role.MANAGER)
    assert acts(desk.give(enough)) == [("boss", Action.AFTER_SERVICE_FINISHED, "t1", "bo")]
    no = CancelTask(ACME, "t2", "boss", Role.MANAGER)
    assert acts(desk.give(no)) == [("boss", Action.TASK_CANCELLED, "t2", "")]
    assert acts(desk.give(no)) == []


def test_what_people_do_with_their_own_and_customers_who_give_up_is_no_act(desk: Desk) -> None:
    notes = Policy(after_service=AfterService(AfterServiceMode.UNLIMITED))
    desk.queue("vip", policy=notes)
    desk.works("bo", "vip")
    for task_id in ("t1", "t2"):
        desk.submit(task_id, "vip")
    desk.accept("bo", "t1")
    assert acts(desk.give(CompleteTask(ACME, "t1", "bo", Role.AGENT))) == []
    assert acts(desk.give(FinishAfterService(ACME, "t1", "bo", Role.AGENT))) == []
    assert acts(desk.give(CancelTask(ACME, "t2", "service:voice", Role.OWNER))) == []
    assert (desk.place("t1"), desk.place("t2")) == ("ended", "ended")


def test_a_queue_that_is_drained_serves_who_waits_and_lets_nobody_in(desk: Desk) -> None:
    desk.submit("rings")
    desk.submit("waits")
    desk.mode(QueueMode.DRAINING)
    desk.submit("late")
    assert desk.place("late") == "ended"
    desk.accept("ana", "rings")
    desk.complete("ana", "rings")
    assert desk.place("waits") == "rings ana"


def test_who_is_not_let_in_goes_where_the_queue_sends_them(desk: Desk) -> None:
    there = Policy(overflow=Overflow(OverflowTo.QUEUE, "support"))
    desk.queue("vip", policy=there)
    desk.mode(QueueMode.DRAINING, "vip")
    decisions = desk.give(TaskSubmitted(ACME, "t1", "vip", desk.now))
    overflowed = [it for it in decisions if isinstance(it, Overflowed)]
    assert [it.cause for it in overflowed] == [OverflowCause.QUEUE_DRAINING]
    assert desk.task("t1").submitted.queue_id == "support"


def test_what_comes_back_to_a_drained_queue_is_still_its_own(desk: Desk) -> None:
    desk.works("bo")
    desk.submit("t1")
    desk.mode(QueueMode.DRAINING)
    desk.decline("ana", "t1")
    assert desk.place("t1") == "rings bo"


def test_nothing_is_moved_into_a_drained_queue(desk: Desk) -> None:
    desk.mode(QueueMode.PAUSED)
    desk.submit("t1")
    desk.mode(QueueMode.DRAINING, "support")
    desk.move("sales", "support")
    assert desk.place("t1") == "ended"


def test_work_that_is_only_finished_is_not_taken_back(desk: Desk) -> None:
    notes = Policy(after_service=AfterService(AfterServiceMode.UNLIMITED))
    desk.queue("vip", policy=notes)
    desk.works("bo", "vip")
    desk.submit("t1", "vip")
    desk.accept("bo", "t1")
    desk.complete("bo", "t1")
    assert desk.take_back("t1") == "TASK_IN_AFTER_SERVICE"


def test_closing_the_conversation_of_another_is_written_down_once_and_told(desk: Desk) -> None:
    notes = Policy(after_service=AfterService(AfterServiceMode.UNLIMITED))
    desk.queue("vip", policy=notes)
    desk.works("bo", "vip")
    desk.submit("t1", "vip")
    assert desk.accept("bo", "t1") == "done"
    decisions = desk.close("t1", "boss")
    assert acts(decisions) == [("boss", Action.TASK_COMPLETED, "t1", "bo")]
    (begun,) = [
        event for _, event in events_of(decisions) if isinstance(event, AfterServiceStarted)
    ]
    assert begun.ended_by == "boss"
    assert acts(desk.close("t1", "boss")) == []
    assert acts(desk.close("t1", "bo")) == []

    desk.submit("t2", "vip")
    decisions = desk.close("t2", "boss")
    assert acts(decisions) == [("boss", Action.TASK_CANCELLED, "t2", "")]
    (over,) = [event for _, event in events_of(decisions) if isinstance(event, TaskCancelled)]
    assert over.ended_by == "boss"


def test_closing_ones_own_conversation_is_no_act_and_neither_is_a_customer_who_leaves(
    desk: Desk,
) -> None:
    desk.submit("t1")
    assert desk.accept("ana", "t1") == "done"
    decisions = desk.close("t1", "ana")
    assert acts(decisions) == []
    (over,) = [event for _, event in events_of(decisions) if isinstance(event, TaskCompleted)]
    assert over.ended_by == ""
    desk.submit("t2")
    assert acts(desk.close("t2")) == []
