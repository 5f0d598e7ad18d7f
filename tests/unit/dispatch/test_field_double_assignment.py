"""What went wrong elsewhere: two hold one task, or one holds too much. Named after each case.

Those that need processes are in tests/faults; those of messages, in the services that have them.
"""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.decisions import Answered, Assigned, Decision, Queued
from services.dispatch.domain.inputs import AcceptOffer, AssignTask, Role, TaskSubmitted
from tests.unit.dispatch.desk import ACME, Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.queue("sales")
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def assigned(decisions: list[Decision]) -> list[str]:
    return [it.agent_id for it in decisions if isinstance(it, Assigned)]


def test_two_agents_took_the_same_inquiry_and_both_chatted(desk: Desk) -> None:
    # RocketChat #22206: check, then act, on a manual take.
    for agent in ("ana", "bo"):
        desk.agent(agent)
        desk.here(agent, receive_new=False)
    desk.submit("t1")
    assert desk.assign("ana", "t1") == "done"
    assert desk.assign("bo", "t1") == "TASK_ALREADY_ASSIGNED"
    assert desk.place("t1") == "held ana"


def test_an_offer_was_accepted_while_a_colleague_took_it_from_the_list(desk: Desk) -> None:
    # RocketChat #22206, the other way round.
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1")
    assert desk.assign("bo", "t1") == "done"
    assert desk.accept("ana", "t1") == "OFFER_NOT_YOURS"
    assert desk.place("t1") == "held bo"


def test_the_limit_was_three_and_four_were_assigned(desk: Desk) -> None:
    # RocketChat PR 19352, PR 37776: counts read stale, under load, by several instances.
    desk.works("ana", capacity=3)
    for number in range(5):
        desk.submit(f"t{number}")
    rung = [f"t{number}" for number in range(5) if desk.place(f"t{number}") == "rings ana"]
    assert len(rung) == 3
    for task_id in rung:
        assert desk.accept("ana", task_id) == "done"
    for number in range(5):
        assert desk.assign("ana", f"t{number}") in {"TASK_ALREADY_ASSIGNED", "ASSIGNEE_AT_CAPACITY"}


def test_what_rings_counts_against_the_limit_of_manual_takes(desk: Desk) -> None:
    # RocketChat PR 37776: what was offered and not yet accepted was not counted.
    desk.works("ana")
    desk.submit("rings")
    desk.submit("listed")
    assert desk.assign("ana", "listed") == "ASSIGNEE_AT_CAPACITY"


def test_a_conversation_bounced_between_agents_with_several_assigned_messages(desk: Desk) -> None:
    # Chatwoot PR 15275: concurrent writers with a stale view.
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1")
    told = assigned(desk.give(AcceptOffer(ACME, "t1", "ana", "r1")))
    told += assigned(desk.give(AcceptOffer(ACME, "t1", "bo", "r2")))
    told += assigned(desk.give(AssignTask(ACME, "t1", "boss", Role.OWNER, "bo", "r3")))
    told += assigned(desk.give(AcceptOffer(ACME, "t1", "ana", "r1")))
    assert told == ["ana"]


def test_an_assignment_was_overwritten_within_seconds(desk: Desk) -> None:
    # Chatwoot PR 15524: 46 of 67 automatic assignments were overwritten.
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    revision = desk.task("t1").revision
    desk.works("bo", capacity=5)
    desk.queue("other")
    desk.wait(10_000)
    assert desk.place("t1") == "held ana"
    assert desk.task("t1").revision == revision


def test_the_wrong_team_stuck_to_a_conversation_that_was_moved(desk: Desk) -> None:
    # Chatwoot PR 15524: the claim wrote the assignee alone.
    desk.queue("support")
    desk.submit("t1")
    desk.move("sales", "support")
    desk.works("ana", "sales")
    assert desk.place("t1") == "waits"
    desk.works("bo", "support")
    assert desk.place("t1") == "rings bo"


def test_a_bot_and_a_person_both_worked_one_conversation(desk: Desk) -> None:
    # Chatwoot PR 14870: two owners of one state. Bots come the same way as everybody.
    desk.works("bot", capacity=50)
    desk.works("ana")
    desk.submit("t1")
    assert desk.accept("bot", "t1") == "done"
    assert desk.assign("ana", "t1") == "TASK_ALREADY_ASSIGNED"
    assert desk.complete("ana", "t1") == "TASK_NOT_YOURS"
    assert desk.take_back("t1", exclude_agent=True) == "done"
    assert desk.complete("bot", "t1") == "TASK_NOT_ASSIGNED"
    assert desk.accept("ana", "t1") == "done"
    assert desk.complete("bot", "t1") == "TASK_NOT_YOURS"
    assert desk.place("t1") == "held ana"


def test_the_automatic_assigner_overrode_a_manual_assignment(desk: Desk) -> None:
    # Libredesk PR 385: an unconditional update.
    desk.agent("bo")
    desk.here("bo", receive_new=False)
    desk.submit("t1")
    desk.assign("bo", "t1")
    desk.works("ana", capacity=5)
    desk.here("bo")
    assert desk.place("t1") == "held bo"


def test_it_was_assigned_to_somebody_without_permission_to_reply(desk: Desk) -> None:
    # Libredesk #634: eligibility ignored authorisation.
    desk.works("ana", "support")
    desk.submit("t1")
    assert desk.place("t1") == "waits"
    assert desk.assign("boss", "t1", "ana", role=Role.OWNER) == "ASSIGNEE_NOT_IN_QUEUE"


def test_two_agents_answered_one_call_of_a_ring_group(desk: Desk) -> None:
    # Asterisk #176: a race of answers in ringall.
    desk.works("ana")
    desk.works("bo")
    desk.group("desk", "ana", "bo")
    desk.submit("call", "", group_id="desk")
    assert desk.accept("bo", "call") == "done"
    assert desk.accept("ana", "call") == "OFFER_NOT_YOURS"
    assert desk.place("call") == "held bo"


def test_two_workers_were_in_one_conference_after_a_reservation_of_both(desk: Desk) -> None:
    # Twilio: dialled before there was a winner. Others are told before the winner is.
    desk.works("ana")
    desk.works("bo")
    desk.group("desk", "ana", "bo")
    desk.submit("call", "", group_id="desk")
    kinds = [type(it).__name__ for it in desk.give(AcceptOffer(ACME, "call", "ana", "r1"))]
    assert kinds == ["OfferClosed", "Assigned", "Answered"]


def test_one_call_was_counted_twice_and_skewed_who_is_next(desk: Desk) -> None:
    # Asterisk #1736: a completion that was not atomic.
    desk.works("ana", capacity=2)
    desk.submit("t1")
    desk.accept("ana", "t1")
    assert desk.complete("ana", "t1", request_id="r1") == "done"
    assert desk.complete("ana", "t1", request_id="r1") == "done"
    desk.close("t1")
    assert desk.ledger.completed == 1
    for task_id in ("t2", "t3", "t4"):
        desk.submit(task_id)
    assert [desk.place(it) for it in ("t2", "t3", "t4")] == ["rings ana", "rings ana", "waits"]


def test_the_same_task_was_begun_twice_by_two_workers(desk: Desk) -> None:
    # RocketChat PR 34062: a queue worker started twice. In processes: two routers that both lead.
    desk.works("ana", capacity=5)
    it = TaskSubmitted(ACME, "t1", "sales", desk.now)
    assert any(isinstance(made, Queued) for made in desk.give(it))
    assert desk.give(it) == []
    assert desk.request(it) == "done"
    assert not any(not isinstance(made, Answered) for made in desk.give(it))
