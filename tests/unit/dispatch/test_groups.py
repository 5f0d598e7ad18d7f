"""Groups ring all their members at once, or one after the other, until one of them has it."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.candidates import Filter, candidates
from services.dispatch.domain.decisions import Assigned, Decision, OfferClosed, OfferEnd, Queued
from services.dispatch.domain.demand import Load
from services.dispatch.domain.inputs import AcceptOffer, GroupConfigured, Role
from services.dispatch.domain.inputs import RingStrategy as Ring
from services.dispatch.domain.parties import Agent
from tests.unit.dispatch.desk import ACME, Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    for agent in ("ana", "bo", "cyd"):
        desk.works(agent)
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def call(desk: Desk, task_id: str = "t1", group_id: str = "desk", **more: int) -> None:
    desk.submit(task_id, "", group_id=group_id, **more)


def ends(decisions: list[Decision]) -> dict[str, OfferEnd]:
    return {it.agent_id: it.end for it in decisions if isinstance(it, OfferClosed)}


def test_a_group_that_rings_at_all_has_one_winner_and_the_others_are_told_at_once(
    desk: Desk,
) -> None:
    desk.group("desk", "ana", "bo", "cyd")
    call(desk)
    assert desk.place("t1") == "rings ana bo cyd"
    decisions = desk.give(AcceptOffer(ACME, "t1", "bo", "r1"))
    assert ends(decisions) == {
        "ana": OfferEnd.TAKEN_ELSEWHERE,
        "cyd": OfferEnd.TAKEN_ELSEWHERE,
    }
    assert [it.agent_id for it in decisions if isinstance(it, Assigned)] == ["bo"]
    assert desk.accept("ana", "t1") == "OFFER_NOT_YOURS"
    assert desk.place("t1") == "held bo"


def test_what_the_others_had_reserved_is_used_at_once(desk: Desk) -> None:
    desk.group("desk", "ana", "bo", "cyd")
    call(desk)
    desk.submit("old", age=9_000)
    desk.submit("new")
    assert desk.place("old") == desk.place("new") == "waits"
    desk.accept("ana", "t1")
    assert {desk.place("old"), desk.place("new")} == {"rings bo", "rings cyd"}


def test_a_group_task_keeps_its_turn_among_the_tasks_of_queues(desk: Desk) -> None:
    for agent in ("bo", "cyd"):
        desk.here(agent, receive_new=False)
    desk.group("desk", "ana")
    desk.submit("held")
    desk.submit("second")
    call(desk, "first", age=60_000)
    desk.accept("ana", "held")
    desk.complete("ana", "held")
    assert desk.place("first") == "rings ana"
    assert desk.place("second") == "waits"


def test_who_declines_is_passed_and_it_rings_on_at_the_others(desk: Desk) -> None:
    desk.group("desk", "ana", "bo")
    call(desk)
    desk.decline("ana", "t1")
    assert desk.place("t1") == "rings bo"
    desk.decline("bo", "t1")
    assert desk.place("t1") == "waits"


def test_when_all_let_it_ring_out_it_waits_and_can_be_seen(desk: Desk) -> None:
    desk.group("desk", "ana", "bo", ring_timeout_ms=5_000)
    call(desk)
    decisions = desk.wait(5_000)
    assert ends(decisions) == {"ana": OfferEnd.TIMED_OUT, "bo": OfferEnd.TIMED_OUT}
    (queued,) = (it for it in decisions if isinstance(it, Queued))
    assert (queued.task.group_id, queued.excluded) == ("desk", ("ana", "bo"))


def test_it_rings_again_when_a_member_turns_to_work(desk: Desk) -> None:
    desk.group("desk", "ana")
    call(desk)
    desk.decline("ana", "t1")
    desk.here("ana", receive_new=False)
    desk.here("ana")
    assert desk.place("t1") == "rings ana"


def test_who_becomes_able_while_it_rings_at_all_is_rung_too_for_their_whole_time(
    desk: Desk,
) -> None:
    desk.group("desk", "ana", "dee", ring_timeout_ms=5_000)
    call(desk)
    assert desk.place("t1") == "rings ana"
    desk.wait(4_000)
    desk.works("dee")
    assert desk.place("t1") == "rings ana dee"
    desk.wait(999)
    assert desk.place("t1") == "rings dee"
    desk.wait(4_001)
    assert desk.place("t1") == "waits"


def test_one_after_the_other_goes_in_the_order_of_the_group(desk: Desk) -> None:
    desk.group("desk", "cyd", "ana", "bo", strategy=Ring.SEQUENTIAL)
    call(desk)
    assert desk.place("t1") == "rings cyd"
    desk.decline("cyd", "t1")
    assert desk.place("t1") == "rings ana"
    desk.wait(20_000)
    assert desk.place("t1") == "rings bo"


def test_at_random_goes_in_an_order_that_each_task_has_of_its_own(desk: Desk) -> None:
    members = ("ana", "bo", "cyd")
    desk.group("desk", *members, strategy=Ring.RANDOM)
    orders = set()
    for number in range(12):
        task_id, order = f"t{number}", []
        call(desk, task_id)
        for _ in members:
            (agent,) = (it for it in members if desk.place(task_id) == f"rings {it}")
            order.append(agent)
            desk.decline(agent, task_id)
        orders.add(tuple(order))
        desk.close(task_id)
    assert len(orders) > 2


def test_a_member_without_room_is_not_rung(desk: Desk) -> None:
    desk.submit("busy")
    desk.accept("ana", "busy")
    desk.group("desk", "ana", "bo")
    call(desk)
    assert desk.place("t1") == "rings bo"
    desk.complete("ana", "busy")
    assert desk.place("t1") == "rings ana bo"


def test_a_member_who_leaves_while_it_rings_refuses_nothing(desk: Desk) -> None:
    desk.group("desk", "ana", "bo")
    call(desk)
    desk.gone("ana")
    assert desk.place("t1") == "rings bo"
    desk.gone("bo")
    assert desk.place("t1") == "waits"
    desk.here("ana")
    assert desk.place("t1") == "rings ana"


def test_a_task_for_a_group_nobody_knows_waits_for_it(desk: Desk) -> None:
    call(desk)
    assert desk.place("t1") == "waits"
    desk.group("desk", "ana")
    assert desk.place("t1") == "rings ana"


def test_who_is_taken_from_the_group_is_not_rung_any_more(desk: Desk) -> None:
    desk.group("desk", "ana", "bo")
    call(desk)
    desk.here("cyd", receive_new=False)
    desk.submit("next")
    desk.group("desk", "bo", version=2)
    assert desk.place("t1") == "rings bo"
    assert desk.place("next") == "rings ana"


def test_a_removed_group_rings_at_nobody(desk: Desk) -> None:
    desk.group("desk", "ana", "bo")
    call(desk)
    desk.give(GroupConfigured(ACME, "desk", 2, removed=True))
    assert desk.place("t1") == "waits"


def test_a_group_that_changes_its_way_lets_ring_what_rings(desk: Desk) -> None:
    desk.group("desk", "ana", "bo", strategy=Ring.SEQUENTIAL)
    call(desk)
    desk.group("desk", "ana", "bo", version=2)
    assert desk.place("t1") == "rings ana bo"
    desk.group("desk", "ana", "bo", "cyd", version=3, strategy=Ring.SEQUENTIAL)
    assert desk.place("t1") == "rings ana bo"
    desk.decline("ana", "t1")
    desk.decline("bo", "t1")
    assert desk.place("t1") == "rings cyd"


def test_when_the_caller_hangs_up_all_phones_are_silent_and_free(desk: Desk) -> None:
    desk.group("desk", "ana", "bo", "cyd")
    call(desk)
    desk.submit("next")
    decisions = desk.close("t1")
    assert set(ends(decisions).values()) == {OfferEnd.CALLER_GAVE_UP}
    assert desk.place("next") == "rings ana"


def test_a_member_takes_what_rings_at_others_as_well(desk: Desk) -> None:
    desk.group("desk", "ana", "bo")
    call(desk)
    assert desk.assign("ana", "t1") == "done"
    assert desk.place("t1") == "held ana"


def test_a_member_gives_it_to_a_member_who_was_not_rung(desk: Desk) -> None:
    desk.here("cyd", receive_new=False)
    desk.group("desk", "ana", "bo", "cyd")
    call(desk)
    assert desk.assign("ana", "t1", "cyd") == "done"
    assert desk.place("t1") == "held cyd"


def test_only_members_take_from_a_group_and_only_members_are_given(desk: Desk) -> None:
    desk.group("desk", "ana")
    call(desk)
    assert desk.assign("bo", "t1") == "TASK_NOT_IN_YOUR_QUEUES"
    assert desk.assign("boss", "t1", "bo", role=Role.MANAGER) == "ASSIGNEE_NOT_IN_QUEUE"


@pytest.mark.parametrize("strategy", Ring)
def test_a_snapshot_in_the_middle_of_ringing_changes_nothing(desk: Desk, strategy: Ring) -> None:
    desk.group("desk", "ana", "bo", "cyd", strategy=strategy)
    call(desk)
    desk.save_and_load()
    for _ in range(2):
        first = desk.place("t1").split()[1]
        desk.decline(first, "t1")
    last = desk.place("t1").split()[1]
    assert desk.accept(last, "t1") == "done"


def test_explain_says_that_the_others_of_a_group_are_not_asked_while_it_rings_at_one(
    desk: Desk,
) -> None:
    desk.works("gil")
    desk.works("hal")
    desk.group("night", "gil", "hal", strategy=Ring.SEQUENTIAL)
    desk.submit("t1", "", group_id="night")
    found = candidates(desk.state, desk.task("t1"), desk.now)
    removed_by = {it.agent_id: it.removed_by for it in found}
    assert desk.place("t1") == "rings gil"
    assert removed_by["gil"] is removed_by["hal"] is Filter.RINGS_ALREADY


def test_what_takes_more_and_what_takes_less_stand_in_one_order(desk: Desk) -> None:
    desk.works("gil", capacity=2)
    desk.group("night", "gil")
    call(desk, "busy", "night", cost=2)
    call(desk, "small", "night", cost=1)
    call(desk, "large", "night", cost=2, age=60_000)
    desk.accept("gil", "busy")
    desk.complete("gil", "busy")
    assert desk.place("large") == "rings gil"
    assert desk.place("small") == "waits"


def test_who_has_no_room_is_looked_at_once_however_much_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.group("desk", "ana")
    for number in range(50):
        call(desk, f"t{number}")
    tenant, fits, looks = desk.state.tenants[ACME], Agent.fits, iter(range(1))

    def counted(agent: Agent, load: Load) -> bool:
        next(looks)
        return fits(agent, load)

    monkeypatch.setattr(Agent, "fits", counted)
    assert tenant.groups.best_task(tenant.agents["ana"]) is None
    assert next(looks, "no more") == "no more"
    monkeypatch.undo()
