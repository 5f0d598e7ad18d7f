"""Stuck and lost work of others (field guide 5.2, and what of 5.3 is the router's): not here."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.decisions import Cancelled, Overflowed
from services.dispatch.domain.inputs import Role, Sticky, StickyTo, TaskSubmitted
from services.dispatch.domain.policy import (
    AfterService,
    AfterServiceMode,
    OnAgentLost,
    Overflow,
    OverflowCause,
    OverflowTo,
    Policy,
)
from tests.unit.dispatch.desk import ACME, Desk

DAY = 24 * 3_600_000


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def test_a_chat_that_nobody_can_take_can_still_be_closed(desk: Desk) -> None:
    # Rocket.Chat #18029, #18200: neither taken nor closed.
    desk.submit("t1", "a queue that is gone")
    desk.close("t1")
    assert desk.place("t1") == "ended"


def test_what_came_while_nobody_was_there_rings_without_anybody_toggling(desk: Desk) -> None:
    # Rocket.Chat #23642, Livechat #614, Chatwoot #10685, #10059.
    for number in range(3):
        desk.submit(f"t{number}")
    desk.works("ana", capacity=3)
    assert {desk.place(f"t{number}") for number in range(3)} == {"rings ana"}


def test_a_customer_is_not_bound_to_an_agent_who_is_gone_for_months(desk: Desk) -> None:
    # Rocket.Chat #20965.
    desk.queue("sales", policy=Policy(on_agent_lost=OnAgentLost.REQUEUE))
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.gone("ana")
    desk.wait(30 * DAY)
    desk.works("bo")
    assert desk.place("t1") == "rings bo"


def test_where_work_is_held_for_a_lost_agent_a_supervisor_can_end_it(desk: Desk) -> None:
    # Rocket.Chat #20965, the other way the queue may want it.
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.gone("ana")
    assert desk.complete("eve", "t1", role=Role.SUPERVISOR) == "done"


def test_the_oldest_does_not_starve_while_new_ones_keep_coming(desk: Desk) -> None:
    # Chatwoot #10583, Live Helper Chat #1260, #1073.
    desk.works("ana")
    desk.submit("busy")
    desk.accept("ana", "busy")
    desk.submit("oldest")
    for number in range(50):
        desk.submit(f"new-{number}")
    desk.complete("ana", "busy")
    assert desk.place("oldest") == "rings ana"


def test_no_queue_freezes_when_another_one_cannot_be_served(desk: Desk) -> None:
    # FreeSWITCH #1641, #1062: one dispatch thread died and all queues with it.
    desk.works("ana")
    for number in range(20):
        desk.submit(f"stuck-{number}", "nobodys")
        desk.submit(f"impossible-{number}", skills=(("klingon", 5),))
    desk.take(b"\xff\xff no input at all")
    desk.submit("t1")
    assert desk.place("t1") == "rings ana"


def test_a_caller_who_hung_up_is_not_answered_hours_later(desk: Desk) -> None:
    # FreeSWITCH #1973: members "answered" long after their call had ended.
    desk.works("ana")
    desk.submit("t1")
    desk.close("t1")
    desk.wait(3_600_000)
    assert desk.accept("ana", "t1") == "OFFER_NOT_YOURS"
    assert desk.place("t1") == "ended"


def test_an_agent_is_not_locked_for_ever_by_work_that_is_over(desk: Desk) -> None:
    # OpenSIPS #3123: an agent for ever in a call.
    limited = AfterService(AfterServiceMode.LIMITED, limit_ms=60_000)
    desk.queue("sales", policy=Policy(after_service=limited))
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.submit("t2")
    desk.close("t1")
    desk.wait(60_000)
    assert desk.place("t2") == "rings ana"


def test_who_logs_in_later_is_not_rung_by_the_ghost_of_a_call(desk: Desk) -> None:
    # Kazoo: the caller hangs up with no agents there; one logs in and gets the call.
    desk.submit("t1")
    desk.close("t1")
    desk.submit("t1")  # the event of its beginning comes again, late
    desk.works("ana")
    assert desk.place("t1") == "ended"


def test_customers_without_an_id_are_not_taken_for_one_another(desk: Desk) -> None:
    # Libredesk #122, #90: an empty id matched everything. (Messages without one are refused.)
    desk.queue("sales", sticky=Sticky(StickyTo.LAST, hold_ms=60_000))
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.works("bo")
    desk.submit("t2")
    assert desk.place("t2") == "rings bo"


def test_who_comes_back_does_not_wait_for_an_agent_who_has_left(desk: Desk) -> None:
    # Chatwoot #7204, #4158: reopened chats stuck to offline agents.
    desk.queue("sales", sticky=Sticky(StickyTo.LAST, hold_ms=600_000))
    desk.works("ana")
    desk.submit("t1", contact_id="kim")
    desk.accept("ana", "t1")
    desk.complete("ana", "t1")
    desk.works("bo")
    desk.gone("ana")
    desk.submit("t2", contact_id="kim")
    assert desk.place("t2") == "rings bo"


def test_no_chat_is_taken_in_after_the_last_agent_has_left(desk: Desk) -> None:
    # Rocket.Chat #20899, Zammad #4970: the widget went on offering to chat.
    sorry = Overflow(OverflowTo.MESSAGE, "Nobody is here any more.")
    desk.queue("sales", policy=Policy(overflow=sorry, overflow_when_nobody=True))
    desk.works("ana")
    desk.submit("t1")
    assert desk.place("t1") == "rings ana"
    desk.gone("ana")
    assert desk.place("t1") == "ended"
    made = desk.give(TaskSubmitted(ACME, "t2", "sales", desk.now))
    assert [it.cause for it in made if isinstance(it, Overflowed)] == [OverflowCause.NOBODY_THERE]
    assert [it.message for it in made if isinstance(it, Cancelled)] == ["Nobody is here any more."]
