"""Who is offered what, in the words of a contact centre. Each step is checked by the ledger too."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.decisions import Offered, OfferEnd
from services.dispatch.domain.inputs import AgentSelection, TaskSubmitted
from tests.unit.dispatch.desk import ACME, NINE, Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def test_a_task_rings_at_the_agent_who_is_idle_longest(desk: Desk) -> None:
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1")
    assert desk.place("t1") == "rings ana"
    desk.accept("ana", "t1")
    desk.wait(1)
    desk.complete("ana", "t1")
    desk.submit("t2")
    assert desk.place("t2") == "rings bo"


def test_where_the_queue_says_so_a_task_rings_at_the_least_busy(desk: Desk) -> None:
    desk.queue("sales", AgentSelection.LEAST_BUSY)
    desk.works("ana", capacity=4)
    desk.works("bo", capacity=2)
    desk.submit("t1")
    desk.submit("t2")
    desk.submit("t3")
    # A quarter of ana is less than a half of bo.
    assert [desk.place(task) for task in ("t1", "t2", "t3")] == [
        "rings ana",
        "rings bo",
        "rings ana",
    ]


def test_changing_the_selection_of_a_queue_counts_from_the_next_task_on(desk: Desk) -> None:
    desk.works("ana", capacity=3)
    desk.works("bo", capacity=3)
    desk.submit("t1")
    desk.submit("t2")
    desk.accept("bo", "t2")
    desk.complete("bo", "t2")
    desk.queue("sales", AgentSelection.LEAST_BUSY)
    desk.submit("t3")
    assert desk.place("t3") == "rings bo"


def test_a_higher_priority_goes_first_and_within_it_the_older(desk: Desk) -> None:
    desk.submit("young", age=1)
    desk.submit("old", age=9_000)
    desk.submit("urgent", priority=90)
    order = []
    desk.works("ana")
    for _ in range(3):
        (rung,) = (task for task in ("young", "old", "urgent") if desk.place(task) == "rings ana")
        order.append(rung)
        desk.accept("ana", rung)
        desk.complete("ana", rung)
    assert order == ["urgent", "old", "young"]


def test_a_task_without_a_priority_has_that_of_its_queue(desk: Desk) -> None:
    desk.queue("vip", priority=80)
    desk.submit("old", age=60_000)
    desk.submit("vip", "vip")
    desk.works("ana", "sales", "vip")
    assert desk.place("vip") == "rings ana"


def test_freed_capacity_serves_the_oldest_and_not_the_newest(desk: Desk) -> None:
    # Chatwoot #10583: the newest conversation was assigned first and the oldest starved.
    desk.works("ana")
    desk.submit("held")
    desk.accept("ana", "held")
    for number in range(5):
        desk.submit(f"waiting-{number}")
    desk.complete("ana", "held")
    assert desk.place("waiting-0") == "rings ana"


def test_a_declined_offer_goes_to_somebody_else(desk: Desk) -> None:
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1")
    assert desk.decline("ana", "t1") == "done"
    assert desk.place("t1") == "rings bo"
    assert desk.task("t1").excluded == ("ana",)


def test_nobody_else_there_it_waits_rather_than_ring_at_who_declined(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.decline("ana", "t1")
    assert desk.place("t1") == "waits"
    desk.submit("t2")
    assert desk.place("t2") == "rings ana"


def test_an_offer_that_rings_out_goes_to_somebody_else(desk: Desk) -> None:
    desk.queue("sales", offer_timeout_ms=5_000)
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1")
    desk.wait(4_999)
    assert desk.place("t1") == "rings ana"
    closed, _, _ = desk.wait(1)
    assert getattr(closed, "end", None) is OfferEnd.TIMED_OUT
    assert desk.place("t1") == "rings bo"


def test_a_task_that_comes_back_keeps_its_age(desk: Desk) -> None:
    desk.works("ana")
    desk.works("bo", capacity=1)
    desk.submit("first")
    desk.submit("bos")
    desk.submit("second")
    desk.decline("ana", "first")
    assert desk.place("second") == "rings ana"
    assert desk.place("first") == "waits"
    assert desk.task("first").submitted.enqueued_at == NINE + 3
    desk.decline("ana", "second")
    desk.accept("bo", "bos")
    desk.complete("bo", "bos")
    assert desk.place("first") == "rings bo"


def test_who_turns_to_work_again_may_be_offered_what_they_had_refused(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.here("ana", receive_new=False)
    assert desk.place("t1") == "waits"
    desk.here("ana")
    assert desk.place("t1") == "rings ana"


def test_an_agent_is_not_offered_more_than_their_capacity(desk: Desk) -> None:
    desk.works("ana", capacity=3)
    desk.submit("small")
    desk.submit("large", cost=2)
    desk.submit("next")
    assert [desk.place(task) for task in ("small", "large")] == ["rings ana", "rings ana"]
    assert desk.place("next") == "waits"


def test_more_capacity_is_used_at_once(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.submit("t2")
    desk.agent("ana", capacity=2, version=2)
    assert desk.place("t2") == "rings ana"


def test_less_capacity_takes_nothing_away(desk: Desk) -> None:
    desk.works("ana", capacity=2)
    desk.submit("t1")
    desk.submit("t2")
    desk.agent("ana", capacity=1, version=2)
    assert desk.accept("ana", "t1") == desk.accept("ana", "t2") == "done"
    desk.submit("t3")
    desk.complete("ana", "t1")
    assert desk.place("t3") == "waits"
    desk.complete("ana", "t2")
    assert desk.place("t3") == "rings ana"


def test_only_who_has_the_skills_at_their_level_is_rung(desk: Desk) -> None:
    desk.works("ana", skills=(("es", 2),))
    desk.works("bo", skills=(("es", 3), ("tax", 1)))
    desk.submit("t1", skills=(("es", 3),))
    desk.submit("t2", skills=(("de", 1),))
    assert desk.place("t1") == "rings bo"
    assert desk.place("t2") == "waits"


def test_an_agent_who_stops_receiving_is_not_rung_any_more(desk: Desk) -> None:
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1")
    desk.here("ana", receive_new=False)
    assert desk.place("t1") == "rings bo"
    assert desk.task("t1").excluded == ()  # ana has refused nothing


def test_an_agent_who_leaves_keeps_what_they_hold_and_loses_what_rings(desk: Desk) -> None:
    desk.works("ana", capacity=2)
    desk.submit("held")
    desk.accept("ana", "held")
    desk.submit("rung")
    desk.gone("ana")
    assert desk.place("held") == "held ana"
    assert desk.place("rung") == "waits"


def test_what_an_agent_loses_together_is_handed_on_oldest_first(desk: Desk) -> None:
    desk.works("ana", capacity=2)
    desk.submit("young")
    desk.submit("old", age=60_000)
    desk.works("bo")
    desk.gone("ana")
    assert desk.place("old") == "rings bo"
    assert desk.place("young") == "waits"


def test_an_agent_who_leaves_the_queue_is_not_rung_by_it(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.submit("t2", "support")
    desk.agent("ana", "support", version=2)
    assert desk.place("t1") == "waits"
    assert desk.place("t2") == "rings ana"


def test_the_work_of_a_removed_agent_goes_back_with_its_age(desk: Desk) -> None:
    desk.works("ana", capacity=2)
    desk.submit("young")
    desk.submit("old", age=60_000)
    desk.accept("ana", "young")
    desk.accept("ana", "old")
    desk.works("bo")
    desk.agent("ana", version=2, removed=True)
    assert desk.place("old") == "rings bo"
    assert desk.place("young") == "waits"


def test_a_task_in_a_queue_nobody_knows_waits_and_can_be_seen(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1", "mistyped")
    assert desk.place("t1") == "waits"
    assert desk.task("t1").submitted.queue_id == "mistyped"
    desk.agent("ana", "mistyped", version=2)
    assert desk.place("t1") == "rings ana"


def test_work_that_came_before_its_queue_and_agents_is_offered_when_they_come(desk: Desk) -> None:
    desk.submit("t1")
    desk.here("ana")
    desk.agent("ana")
    desk.queue("sales")
    assert desk.place("t1") == "rings ana"


def test_a_task_submitted_twice_is_one_task(desk: Desk) -> None:
    desk.works("ana", capacity=2)
    desk.submit("t1")
    revision = desk.task("t1").revision
    desk.submit("t1")
    assert desk.task("t1").revision == revision


def test_a_conversation_closed_before_it_was_submitted_makes_no_ghost(desk: Desk) -> None:
    desk.works("ana")
    desk.close("t1")
    desk.submit("t1")
    assert desk.place("t1") == "ended"


def test_a_conversation_closed_while_it_rings_frees_the_agent_for_the_next(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.submit("t2")
    desk.close("t1")
    assert desk.place("t1") == "ended"
    assert desk.place("t2") == "rings ana"


def test_a_conversation_closed_while_it_is_held_is_completed(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.submit("t2")
    desk.close("t1")
    assert desk.place("t1") == "ended"
    assert desk.place("t2") == "rings ana"


def test_a_stale_fact_changes_nothing(desk: Desk) -> None:
    desk.works("ana")
    desk.agent("ana", capacity=5, version=3)
    desk.agent("ana", capacity=1, version=2)
    assert desk.state.tenants[ACME].agents["ana"].config.capacity == 5


def test_tenants_do_not_meet_whatever_they_call_their_queues_and_people(desk: Desk) -> None:
    desk.works("ana")
    desk.give(TaskSubmitted("globex", "t1", "sales", desk.now))
    assert desk.place("t1") == "unknown"
    desk.submit("t1")
    assert desk.place("t1") == "rings ana"
    assert not desk.state.tenants["globex"].tasks["t1"].rings


def test_an_offer_says_until_when_it_rings(desk: Desk) -> None:
    desk.queue("sales", offer_timeout_ms=7_000)
    desk.submit("t1")
    desk.works("ana")
    assert desk.task("t1").expires_at == desk.now + 7_000
    assert desk.state.next_timer() is not None


def test_an_absurd_deadline_is_cut_to_a_day(desk: Desk) -> None:
    desk.queue("sales", offer_timeout_ms=2**62)
    desk.works("ana")
    desk.submit("t1")
    assert desk.task("t1").expires_at == desk.now + 24 * 3_600_000


def test_offers_that_ring_out_together_are_handed_on_in_one_go(desk: Desk) -> None:
    desk.works("ana", capacity=2)
    desk.submit("t1")
    desk.submit("t2")
    desk.works("bo", capacity=2)
    decided = desk.wait(25_000)
    assert sum(isinstance(it, Offered) and it.agent_id == "bo" for it in decided) == 2


def test_after_a_long_standstill_everybody_is_rung_their_whole_time(desk: Desk) -> None:
    # Decided at the moments they were due, one pause would ring out at every agent in turn.
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1")
    desk.wait(600_000)
    assert desk.place("t1") == "rings bo"
    assert desk.task("t1").excluded == ("ana",)
    assert desk.task("t1").expires_at == desk.now + 20_000
