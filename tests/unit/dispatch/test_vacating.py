"""Nothing is stranded in a queue or at a group that is removed while there is work in it."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain import removal as domain
from services.dispatch.domain.decisions import Acted, Action, Answered, OfferClosed, OfferEnd
from services.dispatch.domain.inputs import (
    GroupConfigured,
    QueueConfigured,
    QueueMode,
    Role,
    TaskSubmitted,
)
from services.dispatch.domain.policy import (
    AfterService,
    AfterServiceMode,
    OnAgentLost,
    Overflow,
    OverflowTo,
    Policy,
)
from services.dispatch.domain.removal import WorkCount, count_work
from services.dispatch.domain.vacate import Vacate
from tests.faults import removal as ledger
from tests.unit.dispatch.desk import ACME, Desk, answered


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.queue("old")
    desk.queue("sales")
    desk.works("ana")
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def vacate(desk: Desk, queue_id: str, to: str, *, version: int = 2) -> Answered:
    """Give the work of a queue, or of the group `night`, to a queue."""
    desk.now += 1
    queue_id, group_id = ("", queue_id) if queue_id == "night" else (queue_id, "")
    request_id = f"vacate-{desk.now}"
    it = Vacate(ACME, queue_id, group_id, version, to, "boss", request_id, "answer.here")
    return answered(desk.give(it))


def counted(desk: Desk, queue_id: str, group_id: str = "") -> WorkCount:
    return count_work(desk.state.tenants[ACME], queue_id, group_id)


def test_work_is_counted_by_how_it_stands_and_after_service_is_not(desk: Desk) -> None:
    policy = Policy(after_service=AfterService(AfterServiceMode.UNLIMITED))
    desk.give(QueueConfigured(ACME, "old", 2, policy=policy))
    desk.works("bo", "old", capacity=3)
    for task_id in ("finished", "held", "rings", "waits", "waits-too"):
        desk.submit(task_id, "old")
    desk.accept("bo", "finished")
    desk.complete("bo", "finished")
    desk.accept("bo", "held")
    assert counted(desk, "old") == WorkCount(waiting=2, ringing=1, in_service=1)
    assert counted(desk, "sales") == WorkCount()


def test_what_waits_or_rings_in_a_removed_queue_waits_in_another_with_its_age(desk: Desk) -> None:
    desk.works("bo", "old")
    desk.submit("rings", "old", age=5_000)
    desk.submit("waits", "old", age=9_000)
    assert desk.place("rings") == "rings bo"
    assert vacate(desk, "old", "sales").count == 2
    assert desk.place("waits") == "rings ana", "the older one comes first"
    assert desk.place("rings") == "waits"
    assert desk.task("rings").submitted.queue_id == "sales"
    assert desk.now - desk.task("rings").submitted.enqueued_at >= 5_000
    assert counted(desk, "old") == WorkCount()


def test_whoever_it_rang_at_is_not_blamed_and_gets_what_comes_first(desk: Desk) -> None:
    desk.works("bo", "old", "other")
    desk.queue("other")
    desk.submit("t1", "old")
    desk.submit("t2", "other")
    it = Vacate(ACME, "old", "", 2, "sales", "boss", "r1")
    ends = [one.end for one in desk.give(it) if isinstance(one, OfferClosed)]
    assert ends == [OfferEnd.RESCINDED]
    assert not desk.task("t1").refused
    assert desk.place("t2") == "rings bo"


def test_a_removal_is_audited_with_who_did_it_and_where_the_work_went(desk: Desk) -> None:
    desk.submit("t1", "old")
    it = Vacate(ACME, "old", "", 2, "sales", "boss", "r1")
    (act,) = (one for one in desk.give(it) if isinstance(one, Acted))
    assert (act.action, act.actor_id, act.queue_id) == (Action.QUEUE_REMOVED, "boss", "old")
    assert (act.target_queue_id, act.tasks) == ("sales", 1)
    again = Vacate(ACME, "old", "", 2, "sales", "boss", "r2")
    assert not [one for one in desk.give(again) if isinstance(one, Acted)], "nothing is left"


def test_what_is_held_in_a_removed_queue_goes_back_to_where_its_work_went(desk: Desk) -> None:
    desk.works("bo", "old")
    desk.submit("t1", "old")
    desk.accept("bo", "t1")
    assert vacate(desk, "old", "sales").count == 0
    desk.give(QueueConfigured(ACME, "old", 3, removed=True))
    assert desk.place("t1") == "held bo"
    desk.agent("sue", "sales")
    assert desk.take_back("t1", "sue", Role.SUPERVISOR) == "done"
    assert desk.place("t1") == "rings ana"


def test_what_is_held_in_a_removed_queue_ends_as_work_of_where_it_went(desk: Desk) -> None:
    policy = Policy(
        after_service=AfterService(AfterServiceMode.LIMITED, 60_000, 30_000),
        on_agent_lost=OnAgentLost.REQUEUE,
    )
    desk.give(QueueConfigured(ACME, "sales", 2, policy=policy))
    desk.works("bo", "old", capacity=2)
    for task_id in ("t1", "t2"):
        desk.submit(task_id, "old")
        desk.accept("bo", task_id)
    vacate(desk, "old", "sales")
    desk.give(QueueConfigured(ACME, "old", 3, removed=True))
    assert desk.complete("bo", "t1") == "done"
    assert desk.place("t1") == "finished by bo"
    assert desk.extend("bo", "t1") == "done"
    desk.gone("bo")
    assert desk.place("t1") == "ended"
    assert desk.place("t2") == "rings ana"


def test_what_comes_late_to_a_removed_queue_goes_where_the_rest_went(desk: Desk) -> None:
    vacate(desk, "old", "sales")
    desk.submit("t1", "old")
    assert desk.place("t1") == "rings ana"
    desk.give(QueueConfigured(ACME, "old", 3, removed=True))
    desk.submit("t2", "old")
    assert desk.task("t2").submitted.queue_id == "sales"
    desk.queue("other")
    vacate(desk, "sales", "other")
    desk.submit("t3", "old")
    assert desk.task("t3").submitted.queue_id == "other", "and on from there"


@pytest.mark.parametrize("kind", [OverflowTo.QUEUE, OverflowTo.GROUP])
def test_what_overflows_to_where_is_removed_does_not_end(desk: Desk, kind: OverflowTo) -> None:
    desk.group("night", "bo")
    place = "old" if kind is OverflowTo.QUEUE else "night"
    policy = Policy(max_wait_ms=1_000, overflow=Overflow(kind, place))
    desk.give(QueueConfigured(ACME, "first", 1, policy=policy))
    desk.submit("t1", "first")
    vacate(desk, place, "sales")
    desk.give(QueueConfigured(ACME, "old", 3, removed=True))
    desk.give(GroupConfigured(ACME, "night", 3, removed=True))
    desk.wait(1_000)
    assert desk.place("t1") == "rings ana"


def test_nobody_is_let_into_what_is_being_removed(desk: Desk) -> None:
    desk.group("night", "bo")
    desk.submit("t1", "sales")
    vacate(desk, "old", "sales")
    vacate(desk, "night", "sales")
    assert desk.request(TaskSubmitted(ACME, "t2", "old", 0)) == "QUEUE_NOT_FOUND"
    to_group = TaskSubmitted(ACME, "t3", "", 0, group_id="night")
    assert desk.request(to_group) == "GROUP_NOT_FOUND"
    assert desk.move("sales", "old").reason == "QUEUE_NOT_FOUND"
    assert desk.mode(QueueMode.PAUSED, "old") == "QUEUE_NOT_FOUND"


def test_work_goes_only_where_it_can_stay(desk: Desk) -> None:
    desk.submit("t1", "old")
    for nowhere in ("old", "unheard-of"):
        assert vacate(desk, "old", nowhere).reason == "QUEUE_NOT_FOUND"
    desk.give(QueueConfigured(ACME, "gone", 2, removed=True))
    assert vacate(desk, "old", "gone").reason == "QUEUE_NOT_FOUND"
    vacate(desk, "sales", "old")
    assert vacate(desk, "old", "sales").reason == "QUEUE_NOT_FOUND", "it would come back"
    assert desk.task("t1").submitted.queue_id == "old"


def test_a_queue_that_is_put_again_keeps_its_work(desk: Desk) -> None:
    vacate(desk, "old", "sales")
    desk.give(QueueConfigured(ACME, "old", 2))
    desk.submit("marked", "old")
    assert desk.task("marked").submitted.queue_id == "sales", "the mark itself says nothing new"
    desk.give(QueueConfigured(ACME, "old", 3))
    desk.submit("kept", "old")
    assert desk.task("kept").submitted.queue_id == "old"
    assert vacate(desk, "old", "sales").reason == "PUT_MEANWHILE"
    assert desk.task("kept").submitted.queue_id == "old"


def test_a_group_that_is_put_again_keeps_its_work(desk: Desk) -> None:
    desk.group("night", "bo")
    vacate(desk, "night", "sales")
    desk.group("night", "bo", version=3)
    assert vacate(desk, "night", "sales").reason == "PUT_MEANWHILE"
    desk.give(TaskSubmitted(ACME, "t1", "", desk.now, group_id="night"))
    assert desk.task("t1").submitted.group_id == "night"


def test_all_of_a_removed_group_has_a_queue(desk: Desk) -> None:
    desk.group("night", "bo", "cy")
    for agent_id in ("bo", "cy"):
        desk.works(agent_id, "nothing")
    desk.submit("held", "", group_id="night")
    desk.accept("bo", "held")
    desk.submit("rings", "", group_id="night")
    desk.submit("waits", "old", group_id="night")
    assert desk.place("rings") == "rings cy"
    assert counted(desk, "", "night") == WorkCount(waiting=1, ringing=1, in_service=1)
    it = Vacate(ACME, "", "night", 2, "sales", "boss", "r1")
    (act,) = (one for one in desk.give(it) if isinstance(one, Acted))
    assert (act.action, act.group_id, act.tasks) == (Action.GROUP_REMOVED, "night", 2)
    desk.give(GroupConfigured(ACME, "night", 3, removed=True))
    assert desk.place("rings") == "rings ana"
    assert desk.place("waits") == "waits"
    assert desk.take_back("held") == "done"
    assert {desk.task(one).submitted.queue_id for one in ("held", "rings", "waits")} == {"sales"}
    assert not desk.task("held").submitted.group_id


def test_what_a_group_gives_back_does_not_go_to_a_queue_that_was_removed(desk: Desk) -> None:
    desk.group("night", "bo")
    desk.submit("t1", "old", group_id="night")
    vacate(desk, "old", "sales")
    assert desk.task("t1").submitted.queue_id == "old", "it rings at the group"
    desk.give(QueueConfigured(ACME, "old", 3, removed=True))
    desk.give(GroupConfigured(ACME, "night", 2, removed=True))
    assert desk.place("t1") == "rings ana"


def test_what_is_too_much_for_one_step_is_moved_in_several(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner in (domain, ledger):
        monkeypatch.setattr(owner, "MOVED_AT_ONCE", 3)
    desk.gone("ana")
    for number in range(4):
        desk.submit(f"t{number}", "old")
    assert vacate(desk, "old", "sales").count == 3
    assert counted(desk, "old") == WorkCount(waiting=1)
    assert vacate(desk, "old", "sales").count == 1
    assert vacate(desk, "old", "sales").count == 0
