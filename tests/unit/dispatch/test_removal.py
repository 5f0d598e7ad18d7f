"""What is left of a queue or an agent that is removed: nothing, to whatever gets its id."""

from collections.abc import Callable, Iterator

import pytest

from services.dispatch.domain.decisions import Acted
from services.dispatch.domain.inputs import (
    AgentConfigured,
    GroupConfigured,
    MoveTasks,
    QueueConfigured,
    QueueMode,
    Role,
    Sticky,
    StickyTo,
)
from services.dispatch.domain.policy import OnAgentLost, Overflow, OverflowTo, Policy
from tests.unit.dispatch.desk import ACME, Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.queue("sales")
    desk.works("ana")
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def test_what_waits_at_a_group_that_is_removed_waits_in_its_queue_again(desk: Desk) -> None:
    to_group = Policy(max_wait_ms=1_000, overflow=Overflow(OverflowTo.GROUP, "night"))
    desk.gone("ana")
    desk.give(QueueConfigured(ACME, "sales", 2, policy=to_group))
    desk.group("night", "bo")
    desk.submit("t1")
    desk.wait(2_000)
    assert desk.task("t1").submitted.group_id == "night"
    desk.give(GroupConfigured(ACME, "night", 2, removed=True))
    assert desk.task("t1").submitted.group_id == ""
    desk.here("ana")
    assert desk.place("t1") == "rings ana"


def taken_back(desk: Desk) -> None:
    desk.take_back("t1")


def its_agent_is_lost(desk: Desk) -> None:
    desk.gone("bo")


def its_agent_is_removed(desk: Desk) -> None:
    desk.give(AgentConfigured(ACME, "bo", 2, removed=True))


@pytest.mark.parametrize("lost", [taken_back, its_agent_is_lost, its_agent_is_removed])
def test_what_is_held_when_its_group_is_removed_goes_back_to_its_queue(
    desk: Desk, lost: Callable[[Desk], None]
) -> None:
    requeue = Policy(on_agent_lost=OnAgentLost.REQUEUE)
    desk.give(QueueConfigured(ACME, "sales", 2, policy=requeue))
    desk.works("bo", "elsewhere")
    desk.group("night", "bo")
    desk.submit("t1", group_id="night")
    desk.accept("bo", "t1")
    desk.give(GroupConfigured(ACME, "night", 2, removed=True))
    assert desk.place("t1") == "held bo", "who has it goes on"
    lost(desk)
    assert desk.task("t1").submitted.group_id == ""
    assert desk.place("t1") == "rings ana"


def test_what_rings_when_its_group_is_removed_goes_back_to_its_queue_at_once(desk: Desk) -> None:
    desk.works("bo", "elsewhere")
    desk.group("night", "bo")
    desk.submit("t1", group_id="night")
    assert desk.place("t1") == "rings bo"
    desk.give(GroupConfigured(ACME, "night", 2, removed=True))
    assert desk.place("t1") == "rings ana"


def test_what_waits_at_a_removed_group_and_in_no_queue_can_be_moved_by_name(desk: Desk) -> None:
    desk.group("night", "bo")
    desk.submit("t1", "", group_id="night")
    desk.give(GroupConfigured(ACME, "night", 2, removed=True))
    assert desk.place("t1") == "waits"
    desk.agent("sue", "sales")
    move = desk.move("", "sales", "t1", "ghost", actor_id="sue", role=Role.SUPERVISOR)
    assert (move.reason, move.count) == ("", 1)
    assert desk.place("t1") == "rings ana"
    assert desk.move("", "sales", "t1").count == 0, "it rings"


@pytest.mark.parametrize("gone", [True, False])
def test_a_supervisor_fetches_what_is_named_from_a_queue_that_is_not_theirs(
    desk: Desk, *, gone: bool
) -> None:
    desk.queue("care")
    desk.submit("t1", "care")
    if gone:
        desk.give(QueueConfigured(ACME, "care", 2, removed=True))
    desk.agent("sue", "sales")
    sent = desk.move("", "elsewhere", "t1", actor_id="sue", role=Role.SUPERVISOR)
    assert sent.reason == "QUEUE_NOT_FOUND"
    desk.queue("elsewhere")
    sent = desk.move("", "elsewhere", "t1", actor_id="sue", role=Role.SUPERVISOR)
    assert sent.reason == "QUEUE_NOT_YOURS"
    fetched = desk.move("", "sales", "t1", actor_id="sue", role=Role.SUPERVISOR)
    assert (fetched.reason, fetched.count) == ("", 1)
    assert desk.place("t1") == "rings ana"


def test_a_queue_that_is_no_more_is_emptied_by_who_has_a_say_in_the_target(desk: Desk) -> None:
    desk.queue("care")
    desk.submit("t1", "care")
    desk.agent("sue", "sales")
    emptied = desk.move("care", "sales", actor_id="sue", role=Role.SUPERVISOR)
    assert emptied.reason == "QUEUE_NOT_YOURS", "it is somebody's yet"
    desk.give(QueueConfigured(ACME, "care", 2, removed=True))
    assert desk.move("care", "sales", actor_id="sue", role=Role.AGENT).reason == "QUEUE_NOT_YOURS"
    emptied = desk.move("care", "sales", actor_id="sue", role=Role.SUPERVISOR)
    assert (emptied.reason, emptied.count) == ("", 1)
    assert desk.place("t1") == "rings ana"


def test_tasks_of_several_queues_are_moved_in_one_order_and_audited_by_queue(desk: Desk) -> None:
    desk.gone("ana")
    for queue_id in ("care", "vip", "night"):
        desk.queue(queue_id)
        desk.submit(f"in-{queue_id}", queue_id)
    order = MoveTasks(
        ACME, "", "sales", "boss", Role.MANAGER, ("in-vip", "in-care", "in-night"), "r1"
    )
    acts = [it for it in desk.give(order) if isinstance(it, Acted)]
    assert [(it.queue_id, it.tasks) for it in acts] == [("care", 1), ("night", 1), ("vip", 1)]


def test_a_queue_made_again_is_neither_paused_nor_as_fast_as_the_one_before(desk: Desk) -> None:
    desk.submit("t1")
    assert desk.mode(QueueMode.PAUSED) == "done"
    assert desk.state.tenants[ACME].paces.keys() == {"sales"}
    desk.close("t1")
    desk.give(QueueConfigured(ACME, "sales", 2, removed=True))
    desk.give(QueueConfigured(ACME, "sales", 3))
    assert not desk.state.tenants[ACME].modes
    assert not desk.state.tenants[ACME].paces
    desk.submit("t2")
    assert desk.place("t2") == "rings ana"


def test_a_customer_is_not_led_to_who_was_given_the_id_of_their_last_agent(desk: Desk) -> None:
    sticky = Sticky(StickyTo.LAST, hold_ms=60_000)
    desk.give(QueueConfigured(ACME, "sales", 2, sticky=sticky))
    desk.submit("t1", contact_id="c1")
    desk.accept("ana", "t1")
    desk.complete("ana", "t1")
    desk.give(AgentConfigured(ACME, "ana", 2, removed=True))
    desk.give(AgentConfigured(ACME, "ana", 3, queue_ids=("sales",)))
    desk.submit("t2", contact_id="c1")
    assert not desk.task("t2").kept_for
