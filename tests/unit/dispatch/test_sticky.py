"""Back to the agent whom the customer knows. Each step is checked by the ledger too."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.candidates import Filter, candidates
from services.dispatch.domain.decisions import Decision, Offered
from services.dispatch.domain.inputs import (
    Sticky,
    StickyTo,
)
from services.dispatch.domain.policy import Policy
from tests.unit.dispatch.desk import Desk

MINUTE = 60_000


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def rung(made: list[Decision]) -> list[str]:
    """List who was rung, in order."""
    return [one.agent_id for one in made if isinstance(one, Offered)]


def done(desk: Desk, agent_id: str, task_id: str) -> None:
    desk.accept(agent_id, task_id)
    desk.complete(agent_id, task_id)


def removed_by(desk: Desk, task_id: str) -> dict[str, Filter]:
    found = candidates(desk.state, desk.task(task_id), desk.now)
    return {one.agent_id: one.removed_by for one in found}


def known(desk: Desk, sticky: Sticky) -> None:
    """Let bo know kim, and ana be the one who is idle longer."""
    desk.queue("sales", sticky=sticky)
    desk.works("bo")
    desk.submit("before", contact_id="kim")
    done(desk, "bo", "before")
    desk.works("ana")
    desk.submit("other")
    done(desk, "bo", "other")


def test_a_customer_goes_back_to_the_agent_they_know(desk: Desk) -> None:
    known(desk, Sticky(StickyTo.LAST))
    desk.submit("t1", contact_id="kim")
    desk.submit("t2", contact_id="lee")
    assert (desk.place("t1"), desk.place("t2")) == ("rings bo", "rings ana")


def test_after_the_window_nobody_is_known(desk: Desk) -> None:
    known(desk, Sticky(StickyTo.LAST, window_ms=MINUTE))
    desk.wait(MINUTE)
    desk.submit("t1", contact_id="kim")
    assert desk.place("t1") == "rings ana"


def test_a_task_is_kept_a_while_for_who_is_busy_and_then_goes_to_everybody(desk: Desk) -> None:
    known(desk, Sticky(StickyTo.LAST, hold_ms=5_000))
    desk.submit("busy", contact_id="kim")
    desk.accept("bo", "busy")
    desk.submit("t1", contact_id="kim")
    assert removed_by(desk, "t1") == {"bo": Filter.NO_CAPACITY, "ana": Filter.RESERVED_FOR_OTHER}
    assert rung(desk.wait(4_999)) == []
    assert rung(desk.wait(1)) == ["ana"]


def test_who_is_waited_for_gets_the_task_as_soon_as_they_are_free(desk: Desk) -> None:
    known(desk, Sticky(StickyTo.LAST, hold_ms=5_000))
    desk.submit("busy", contact_id="kim")
    desk.accept("bo", "busy")
    desk.submit("t1", contact_id="kim")
    desk.complete("bo", "busy")
    assert desk.place("t1") == "rings bo"


def test_without_a_hold_nobody_waits_for_who_is_busy(desk: Desk) -> None:
    known(desk, Sticky(StickyTo.LAST))
    desk.submit("busy", contact_id="kim")
    desk.accept("bo", "busy")
    desk.submit("t1", contact_id="kim")
    assert desk.place("t1") == "rings ana"


@pytest.mark.parametrize("hold_ms", [0, 5_000])
def test_who_finds_the_queue_full_gets_whoever_is_free_instead_of_who_they_know(
    desk: Desk, hold_ms: int
) -> None:
    sticky = Sticky(StickyTo.PREFERRED, hold_ms=hold_ms)
    desk.queue("sales", sticky=sticky, policy=Policy(max_waiting=1))
    desk.works("bo")
    desk.submit("busy")
    desk.works("ana")
    desk.submit("nobody's", skills=(("de", 1),))
    desk.submit("t1", preferred_agent_id="bo")
    assert desk.place("t1") == "rings ana"
    desk.submit("t2", preferred_agent_id="bo")
    assert desk.place("t2") == "ended"


def test_who_has_waited_too_long_for_who_they_know_gets_whoever_is_free(desk: Desk) -> None:
    sticky = Sticky(StickyTo.PREFERRED, hold_ms=5 * MINUTE)
    desk.queue("sales", sticky=sticky, policy=Policy(max_wait_ms=MINUTE), offer_timeout_ms=5_000)
    desk.works("bo")
    desk.submit("busy")
    desk.accept("bo", "busy")
    desk.works("ana")
    desk.submit("t1", preferred_agent_id="bo")
    assert rung(desk.wait(MINUTE - 1)) == []
    assert rung(desk.wait(1)) == ["ana"]


def test_nobody_waits_for_who_has_gone_home(desk: Desk) -> None:
    known(desk, Sticky(StickyTo.LAST, hold_ms=5 * MINUTE))
    desk.submit("busy", contact_id="kim")
    desk.accept("bo", "busy")
    desk.submit("t1", contact_id="kim")
    desk.gone("bo")
    assert desk.place("t1") == "rings ana"


def test_what_is_kept_no_more_does_not_overtake_what_is_taken_from_the_same_agent(
    desk: Desk,
) -> None:
    desk.queue("sales", sticky=Sticky(StickyTo.PREFERRED, hold_ms=5 * MINUTE))
    desk.works("ana")
    desk.submit("rung", age=MINUTE)
    desk.submit("kept", preferred_agent_id="ana")
    desk.works("bo")
    desk.agent("ana", "support", version=2)
    assert (desk.place("rung"), desk.place("kept")) == ("rings bo", "waits")


def test_who_declines_their_customer_is_not_waited_for(desk: Desk) -> None:
    known(desk, Sticky(StickyTo.LAST, hold_ms=5 * MINUTE))
    desk.submit("t1", contact_id="kim")
    desk.decline("bo", "t1")
    assert desk.place("t1") == "rings ana"


def test_a_task_may_name_whom_it_prefers(desk: Desk) -> None:
    desk.queue("sales", sticky=Sticky(StickyTo.PREFERRED))
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1", preferred_agent_id="bo")
    assert desk.place("t1") == "rings bo"


def test_the_preferred_agent_is_meant_when_no_last_one_is_there(desk: Desk) -> None:
    known(desk, Sticky(StickyTo.LAST))
    desk.gone("bo")
    desk.works("cyd")
    desk.submit("t1", contact_id="kim", preferred_agent_id="cyd")
    assert desk.place("t1") == "rings cyd"


def test_what_goes_on_is_offered_first_to_who_was_at_it_also_where_nothing_is_sticky(
    desk: Desk,
) -> None:
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1", last_agent_id="bo")
    assert desk.place("t1") == "rings bo"
    desk.decline("bo", "t1")
    assert desk.place("t1") == "rings ana"


def test_what_goes_on_and_is_heard_of_before_the_close_is_offered_to_who_the_close_frees(
    desk: Desk,
) -> None:
    desk.works("bo")
    desk.submit("before")
    desk.accept("bo", "before")
    desk.works("ana")
    desk.submit("t1", last_agent_id="bo")
    assert desk.place("t1") == "waits"
    desk.close("before", by="bo")
    assert desk.place("t1") == "rings bo"


@pytest.mark.parametrize("cannot", ["busy", "gone", "does not receive", "moved", "nobody is"])
def test_what_goes_on_is_soon_for_everybody_when_who_was_at_it_cannot(
    desk: Desk, cannot: str
) -> None:
    desk.works("ana")
    desk.works("bo")
    match cannot:
        case "busy":
            desk.submit("t0", last_agent_id="bo")
        case "gone":
            desk.gone("bo")
        case "does not receive":
            desk.here("bo", receive_new=False)
        case "moved":
            desk.agent("bo", "support", version=2)
    desk.submit("t1", last_agent_id="cyd" if cannot == "nobody is" else "bo")
    desk.wait(1_000)
    assert desk.place("t1") == "rings ana"


def test_who_was_at_it_comes_before_who_had_the_customer_last_and_is_waited_for_alike(
    desk: Desk,
) -> None:
    known(desk, Sticky(StickyTo.LAST, hold_ms=5_000))
    desk.submit("t0")
    desk.accept("ana", "t0")
    desk.submit("t1", contact_id="kim", last_agent_id="ana")
    assert rung(desk.wait(4_999)) == []
    assert rung(desk.wait(1)) == ["bo"]


def test_whom_a_task_names_counts_only_where_the_queue_is_sticky(desk: Desk) -> None:
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1", preferred_agent_id="bo")
    assert desk.place("t1") == "rings ana"
