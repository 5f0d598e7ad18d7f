"""What people may do with a task, and every way in which they are told no."""

from collections.abc import Iterator

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.domain.decisions import Answered, Reason
from services.dispatch.domain.errors import NotAllowed, NotFound, NotNow, Reused, refusal
from services.dispatch.domain.inputs import AcceptOffer, Role
from tests.unit.dispatch.desk import ACME, Desk, answered, outcome

TEN_MINUTES = 600_000


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.works("ana")
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def test_who_accepts_holds_the_task(desk: Desk) -> None:
    desk.submit("t1")
    assert desk.accept("ana", "t1") == "done"
    assert desk.place("t1") == "held ana"


@pytest.mark.parametrize("verb", ["accept", "decline"])
def test_only_where_it_rings_can_an_offer_be_answered(desk: Desk, verb: str) -> None:
    desk.works("bo")
    desk.submit("t1")
    answer = getattr(desk, verb)
    assert answer("bo", "t1") == "OFFER_NOT_YOURS"
    assert answer("ana", "t9") == "TASK_NOT_FOUND"
    desk.accept("ana", "t1")
    assert answer("ana", "t1") == "OFFER_NOT_YOURS"
    desk.complete("ana", "t1")
    assert answer("ana", "t1") == "OFFER_NOT_YOURS"


def test_at_the_deadline_the_offer_is_gone(desk: Desk) -> None:
    desk.submit("t1")
    desk.now += 20_000
    assert desk.accept("ana", "t1") == "OFFER_NOT_YOURS"
    assert desk.place("t1") == "waits"


def test_a_millisecond_before_the_deadline_it_is_not(desk: Desk) -> None:
    desk.submit("t1")
    desk.now += 19_999
    assert desk.accept("ana", "t1") == "done"
    desk.wait(60_000)
    assert desk.place("t1") == "held ana"


def test_an_agent_takes_a_waiting_task_of_their_queue(desk: Desk) -> None:
    desk.here("ana", receive_new=False)
    desk.submit("t1")
    assert desk.assign("ana", "t1") == "done"
    assert desk.place("t1") == "held ana"


def test_an_agent_gives_a_colleague_what_rings_at_themselves(desk: Desk) -> None:
    desk.submit("t1")
    desk.submit("t2")
    desk.agent("bo")
    desk.here("bo", receive_new=False)
    assert desk.assign("ana", "t1", "bo") == "done"
    assert desk.place("t1") == "held bo"
    assert desk.place("t2") == "rings ana"  # the capacity it had is free again


def test_assigning_what_rings_to_whom_it_rings_is_accepting_it(desk: Desk) -> None:
    desk.submit("t1")
    assert desk.assign("ana", "t1", "ana") == "done"
    assert desk.place("t1") == "held ana"


def test_an_agent_may_not_assign_from_queues_they_do_not_answer(desk: Desk) -> None:
    desk.submit("t1", "support")
    assert desk.assign("ana", "t1") == "TASK_NOT_IN_YOUR_QUEUES"
    assert desk.assign("ghost", "t1", "ana", role=Role.SUPERVISOR) == "TASK_NOT_IN_YOUR_QUEUES"


def test_a_manager_may_assign_from_any_queue(desk: Desk) -> None:
    desk.works("bo", "support")
    desk.here("bo", receive_new=False)
    desk.submit("t1", "support")
    assert desk.assign("boss", "t1", "bo", role=Role.MANAGER) == "done"
    assert desk.place("t1") == "held bo"


def test_what_is_not_there_cannot_be_assigned(desk: Desk) -> None:
    assert desk.assign("ana", "t9") == "TASK_NOT_FOUND"


def test_what_somebody_holds_cannot_be_assigned(desk: Desk) -> None:
    desk.works("bo")
    desk.submit("t1")
    desk.accept("ana", "t1")
    assert desk.assign("bo", "t1") == "TASK_ALREADY_ASSIGNED"


def test_the_assignee_must_answer_the_queue(desk: Desk) -> None:
    desk.works("bo", "support")
    desk.submit("t1")
    assert desk.assign("ana", "t1", "bo") == "ASSIGNEE_NOT_IN_QUEUE"
    assert desk.assign("ana", "t1", "ghost") == "ASSIGNEE_NOT_IN_QUEUE"
    desk.agent("ana", version=2, removed=True)
    assert desk.assign("boss", "t1", "ana", role=Role.OWNER) == "ASSIGNEE_NOT_IN_QUEUE"


def test_the_assignee_must_be_there(desk: Desk) -> None:
    desk.agent("bo")
    desk.submit("t1")
    assert desk.assign("ana", "t1", "bo") == "ASSIGNEE_NOT_CONNECTED"


def test_the_assignee_must_have_room(desk: Desk) -> None:
    desk.submit("t1")
    desk.submit("t2")
    assert desk.assign("ana", "t2") == "ASSIGNEE_AT_CAPACITY"


def test_the_holder_completes(desk: Desk) -> None:
    desk.submit("t1")
    desk.accept("ana", "t1")
    assert desk.complete("ana", "t1") == "done"
    assert desk.place("t1") == "ended"
    assert desk.complete("ana", "t1") == "TASK_NOT_FOUND"


def test_who_does_not_hold_it_completes_only_as_a_supervisor(desk: Desk) -> None:
    desk.submit("t1")
    assert desk.complete("ana", "t1") == "TASK_NOT_ASSIGNED"
    desk.accept("ana", "t1")
    assert desk.complete("bo", "t1") == "TASK_NOT_YOURS"
    assert desk.complete("bo", "t1", role=Role.SUPERVISOR) == "done"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_repeated_request_is_answered_alike_and_done_once(desk: Desk, restarted: bool) -> None:  # noqa: FBT001
    desk.submit("t1")
    assert desk.accept("ana", "t1", "r1") == "done"
    desk.complete("ana", "t1")
    desk.submit("t2")
    if restarted:
        desk.save_and_load()
    desk.wait(TEN_MINUTES - 20_001)
    revision = desk.task("t2").revision
    assert desk.accept("ana", "t1", "r1") == "done"
    assert desk.task("t2").revision == revision


def test_a_refusal_stays_a_refusal_when_it_is_asked_again(desk: Desk) -> None:
    desk.agent("bo")
    desk.submit("t1")
    assert desk.accept("bo", "t1", "r1") == "OFFER_NOT_YOURS"
    desk.decline("ana", "t1")
    desk.here("bo")
    assert desk.place("t1") == "rings bo"
    assert desk.accept("bo", "t1", "r1") == "OFFER_NOT_YOURS"
    assert desk.accept("bo", "t1", "r2") == "done"


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("first", ["done", "TASK_NOT_FOUND"])
def test_another_command_under_a_known_request_id_is_refused_and_not_done(
    desk: Desk,
    restarted: bool,  # noqa: FBT001 - a case
    first: str,
) -> None:
    desk.submit("t1")
    desk.submit("t2")
    known = "t1" if first == "done" else "t9"
    assert desk.accept("ana", known, "r1") == first
    if restarted:
        desk.save_and_load()
    assert desk.decline("ana", known, "r1") == "REQUEST_ID_REUSED"
    assert desk.assign("ana", "t2", request_id="r1") == "REQUEST_ID_REUSED"
    assert desk.place("t2") == "waits"
    assert desk.accept("ana", known, "r1") == first


def test_whoever_was_promoted_between_two_tries_asks_for_the_same(desk: Desk) -> None:
    desk.submit("t1")
    assert desk.complete("bo", "t1", request_id="r1") == "TASK_NOT_ASSIGNED"
    desk.accept("ana", "t1")
    assert desk.complete("bo", "t1", role=Role.OWNER, request_id="r1") == "TASK_NOT_ASSIGNED"


@pytest.mark.parametrize("older", ["first", "second"])
def test_an_older_version_that_knows_no_fingerprint_is_answered_as_ever(
    desk: Desk, older: str
) -> None:
    def of_older(task_id: str) -> str:
        asked = wire.AcceptOffer(task_id=task_id, agent_id="ana")
        it = wire.Input(tenant_id=ACME, request_id="r1", reply_to="x", accept_offer=asked)
        return outcome(desk.take(it.SerializeToString()))

    desk.submit("t1")
    if older == "first":
        assert of_older("t1") == "done"
        assert desk.accept("ana", "t2", "r1") == "done"
    else:
        assert desk.accept("ana", "t1", "r1") == "done"
        assert of_older("t2") == "done"
    assert desk.accept("ana", "t1", "r1") == "done"


def test_after_ten_minutes_a_request_is_a_new_one(desk: Desk) -> None:
    assert desk.accept("ana", "t1", "r1") == "TASK_NOT_FOUND"
    desk.wait(TEN_MINUTES)
    desk.submit("t1")
    desk.accept("ana", "elsewhere")  # the forgetting is done by the next answer
    assert desk.accept("ana", "t1", "r1") == "done"


def test_every_reason_to_refuse_has_a_sentence_and_a_kind() -> None:
    for reason in set(Reason) - {Reason.DONE}:
        said = refusal(reason, task_id="t1")
        assert isinstance(said, NotFound | NotAllowed | NotNow | Reused)
        assert str(said).endswith(".")
        assert said.reason == reason
        assert said.details == {"task_id": "t1"}


def test_an_answer_says_whose_it_is_and_where_it_is_awaited(desk: Desk) -> None:
    desk.submit("t1")
    it = answered(desk.give(AcceptOffer("acme", "t1", "ana", "r1", "inbox.7")))
    assert it == Answered("acme", "r1", Reason.DONE, "inbox.7", fingerprint=it.fingerprint)
