"""What an agent does when the work is over, and what becomes of work whose agent is lost."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.decisions import AfterServiceStarted, Completed
from services.dispatch.domain.inputs import Role
from services.dispatch.domain.policy import AfterService, AfterServiceMode, OnAgentLost, Policy
from tests.unit.dispatch.desk import Desk

LIMITED = AfterService(AfterServiceMode.LIMITED, limit_ms=30_000, extension_ms=10_000)
UNLIMITED = AfterService(AfterServiceMode.UNLIMITED, extension_ms=10_000)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def held(desk: Desk, after_service: AfterService) -> None:
    """Have ana hold t1, and t2 wait for her."""
    desk.queue("sales", policy=Policy(after_service=after_service))
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.submit("t2")


def test_capacity_is_held_until_the_agent_finishes(desk: Desk) -> None:
    held(desk, UNLIMITED)
    assert desk.complete("ana", "t1") == "done"
    desk.wait(24 * 3_600_000)
    assert (desk.place("t1"), desk.place("t2")) == ("finished by ana", "waits")
    assert desk.finish("ana", "t1") == "done"
    assert (desk.place("t1"), desk.place("t2")) == ("ended", "rings ana")


def test_at_the_limit_the_agent_is_forced_out_and_rung_in_the_same_moment(desk: Desk) -> None:
    held(desk, LIMITED)
    desk.complete("ana", "t1")
    desk.wait(29_999)
    assert desk.place("t2") == "waits"
    (done,) = (it for it in desk.wait(1) if isinstance(it, Completed))
    assert done.forced
    assert desk.place("t2") == "rings ana"


def test_who_finishes_in_time_is_not_forced(desk: Desk) -> None:
    held(desk, LIMITED)
    desk.close("t1")
    desk.finish("ana", "t1")
    assert desk.wait(60_000)
    assert desk.place("t1") == "ended"


def test_an_extension_is_told_and_adds_what_the_queue_grants(desk: Desk) -> None:
    held(desk, LIMITED)
    desk.complete("ana", "t1")
    ends_at = desk.now + 30_000
    desk.wait(20_000)
    assert desk.extend("ana", "t1") == desk.extend("ana", "t1") == "done"
    assert desk.task("t1").after_service
    desk.wait(29_999)
    assert desk.place("t1") == "finished by ana"
    desk.wait(1)
    assert desk.now == ends_at + 20_000
    assert desk.place("t1") == "ended"


def test_where_no_extension_is_granted_there_is_none(desk: Desk) -> None:
    held(desk, AfterService(AfterServiceMode.LIMITED, limit_ms=30_000))
    desk.complete("ana", "t1")
    assert desk.extend("ana", "t1") == "AFTER_SERVICE_NOT_EXTENDABLE"


def test_what_has_no_limit_needs_no_extension(desk: Desk) -> None:
    held(desk, UNLIMITED)
    desk.complete("ana", "t1")
    assert desk.extend("ana", "t1") == "AFTER_SERVICE_NOT_EXTENDABLE"


def test_only_whose_task_it_is_extends_and_only_they_or_a_supervisor_finish(desk: Desk) -> None:
    held(desk, LIMITED)
    assert desk.finish("ana", "t1") == "TASK_NOT_IN_AFTER_SERVICE"
    assert desk.extend("ana", "t9") == "TASK_NOT_FOUND"
    desk.complete("ana", "t1")
    assert desk.extend("bo", "t1") == "TASK_NOT_YOURS"
    assert desk.finish("bo", "t1") == "TASK_NOT_YOURS"
    assert desk.finish("bo", "t1", role=Role.SUPERVISOR) == "done"
    assert desk.finish("ana", "t1") == "TASK_NOT_IN_AFTER_SERVICE"


def test_work_that_is_over_twice_is_over_once(desk: Desk) -> None:
    # The agent closes the conversation, which says so to the router, which says so back.
    held(desk, LIMITED)
    assert len(desk.close("t1")) == 1
    assert desk.close("t1") == []
    assert desk.complete("ana", "t1") == "done"
    assert desk.place("t1") == "finished by ana"


def test_a_queue_that_changes_its_mind_does_so_from_the_next_task_on(desk: Desk) -> None:
    held(desk, UNLIMITED)
    (started,) = (it for it in desk.close("t1") if isinstance(it, AfterServiceStarted))
    assert started.ends_at == 0
    desk.wait(3_600_000)
    assert desk.place("t1") == "finished by ana"


def test_the_work_of_a_lost_agent_stays_theirs_by_default(desk: Desk) -> None:
    held(desk, LIMITED)
    desk.gone("ana")
    assert desk.place("t1") == "held ana"


def test_where_the_queue_says_so_the_work_of_a_lost_agent_goes_to_others(desk: Desk) -> None:
    desk.queue("sales", policy=Policy(max_wait_ms=60_000, on_agent_lost=OnAgentLost.REQUEUE))
    desk.works("ana", capacity=2)
    desk.submit("young")
    desk.submit("old", age=30_000)
    for task in ("young", "old"):
        desk.accept("ana", task)
    desk.wait(3_600_000)
    desk.works("bo")
    since = desk.task("old").submitted.enqueued_at
    desk.gone("ana")
    assert desk.place("old") == "rings bo"
    # Its wait counts anew, or an hour's talk would be an hour's wait; its age does not.
    assert desk.place("young") == "waits"
    assert desk.task("old").submitted.enqueued_at == since


def test_a_lost_agent_finishes_nothing(desk: Desk) -> None:
    held(desk, UNLIMITED)
    desk.complete("ana", "t1")
    desk.gone("ana")
    assert desk.place("t1") == "ended"
    desk.here("ana")
    assert desk.place("t2") == "rings ana"


def test_who_only_stops_receiving_keeps_what_they_finish(desk: Desk) -> None:
    held(desk, UNLIMITED)
    desk.complete("ana", "t1")
    desk.here("ana", receive_new=False)
    assert desk.place("t1") == "finished by ana"
