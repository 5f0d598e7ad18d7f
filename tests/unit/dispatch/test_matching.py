"""Who fits what, in the words of a contact centre. Each step is checked by the ledger too."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.dispatch.domain.candidates import Filter, candidates
from services.dispatch.domain.decisions import Decision, Offered
from services.dispatch.domain.engine import step
from services.dispatch.domain.inputs import (
    AgentConfigured,
    AgentSelection,
    Channel,
    ChannelRouting,
    PresenceObserved,
    QueueConfigured,
    Relaxation,
    Role,
    Skills,
    TaskClosed,
    TaskSelection,
    TaskSubmitted,
)
from services.dispatch.domain.state import State
from tests.unit.dispatch.desk import ACME, Desk

MINUTE, HOUR = 60_000, 3_600_000
CALLS_INTERRUPT_CHATS = (ChannelRouting(Channel.CALL, None, 1, True, (Channel.CHAT,)),)


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


# Who


def expert_and_beginner(desk: Desk, selection: AgentSelection) -> None:
    desk.queue("sales", selection)
    desk.works("expert", skills=(("de", 5), ("es", 5)))
    desk.works("beginner", skills=(("es", 2),))


def test_the_most_qualified_gets_the_task(desk: Desk) -> None:
    desk.queue("sales", AgentSelection.MOST_QUALIFIED)
    desk.works("beginner", skills=(("es", 2),))
    desk.works("expert", skills=(("es", 5),))
    desk.submit("t1", skills=(("es", 2),))
    assert desk.place("t1") == "rings expert"


def test_the_least_qualified_who_suffices_gets_the_task_so_that_experts_stay_free(
    desk: Desk,
) -> None:
    expert_and_beginner(desk, AgentSelection.LEAST_QUALIFIED)
    desk.submit("easy", skills=(("es", 1),))
    desk.submit("hard", skills=(("es", 4),))
    assert (desk.place("easy"), desk.place("hard")) == ("rings beginner", "rings expert")


def test_skills_that_nobody_asked_for_make_nobody_more_qualified(desk: Desk) -> None:
    desk.queue("sales", AgentSelection.MOST_QUALIFIED)
    desk.works("ana", skills=(("es", 3),))
    desk.works("bo", skills=(("de", 5), ("es", 2)))
    desk.submit("t1", skills=(("es", 1),))
    assert desk.place("t1") == "rings ana"


def test_agents_are_taken_in_turn_however_they_come_and_go(desk: Desk) -> None:
    desk.queue("sales", AgentSelection.ROUND_ROBIN)
    for agent_id in ("ana", "bo", "cyd"):
        desk.works(agent_id)
    turns = []
    for number in range(9):
        task_id = f"t{number}"
        desk.submit(task_id)
        agent_id = desk.place(task_id).removeprefix("rings ")
        turns.append(agent_id)
        done(desk, agent_id, task_id)
        # Whoever leaves and comes back at once neither loses nor wins a turn.
        desk.gone("bo")
        desk.here("bo")
    assert turns == ["ana", "cyd", "bo"] * 3


def test_a_turn_in_one_queue_is_none_in_another(desk: Desk) -> None:
    desk.queue("sales", AgentSelection.ROUND_ROBIN)
    desk.queue("support", AgentSelection.ROUND_ROBIN)
    desk.works("ana", "sales", "support")
    desk.works("bo", "sales", "support")
    for task_id, queue_id, who in (("t1", "sales", "ana"), ("t2", "support", "bo")):
        desk.submit(task_id, queue_id)
        assert desk.place(task_id) == f"rings {who}"
        done(desk, who, task_id)
    desk.submit("t3", "support")
    assert desk.place("t3") == "rings ana"


def test_a_channel_may_have_a_selection_of_its_own(desk: Desk) -> None:
    calls = ChannelRouting(Channel.CALL, AgentSelection.MOST_QUALIFIED, takes_all=True)
    desk.queue("sales", channels=(calls,))
    desk.works("ana", skills=(("es", 1),))
    desk.works("bo", skills=(("es", 5),))
    desk.submit("call", channel=Channel.CALL, skills=(("es", 1),))
    desk.submit("chat", skills=(("es", 1),))
    assert (desk.place("call"), desk.place("chat")) == ("rings bo", "rings ana")


# What


def test_a_queue_may_go_by_age_alone(desk: Desk) -> None:
    desk.queue("sales", task_selection=TaskSelection.AGE)
    desk.submit("urgent", priority=100)
    desk.submit("old", age=9_000, priority=1)
    desk.works("ana")
    assert desk.place("old") == "rings ana"


def test_the_age_of_a_weighty_queue_counts_more(desk: Desk) -> None:
    desk.queue("sales", weight=3)
    desk.submit("young", "sales", age=4_000)
    desk.submit("old", "support", age=9_000)
    desk.works("ana", "sales", "support")
    assert desk.place("young") == "rings ana"


def test_a_higher_priority_beats_any_weight(desk: Desk) -> None:
    desk.queue("sales", weight=100)
    desk.submit("weighty", "sales", age=60_000)
    desk.submit("urgent", "support", priority=51)
    desk.works("ana", "sales", "support")
    assert desk.place("urgent") == "rings ana"


# Skills


def test_what_a_queue_needs_every_task_of_it_needs(desk: Desk) -> None:
    desk.queue("sales", skills=(("de", 2),))
    desk.works("ana", skills=(("es", 5),))
    desk.submit("t1", skills=(("es", 1),))
    assert desk.place("t1") == "waits"
    desk.works("bo", skills=(("de", 2), ("es", 1)))
    assert desk.place("t1") == "rings bo"


def test_who_has_what_is_wished_comes_first_and_nobody_is_shut_out(desk: Desk) -> None:
    desk.works("ana")
    desk.works("bo", skills=(("de", 3),))
    wishes: Skills = (("de", 3), ("es", 1))
    desk.submit("t1", wishes=wishes)
    desk.submit("t2", wishes=wishes)
    assert (desk.place("t1"), desk.place("t2")) == ("rings bo", "rings ana")


def test_a_task_asks_for_less_step_by_step_and_rings_at_the_very_step(desk: Desk) -> None:
    steps = (Relaxation(10_000, "es", 1), Relaxation(30_000, "es", 3))
    desk.queue("sales", relaxations=steps)
    desk.works("ana", skills=(("es", 2),))
    desk.works("bo", skills=(("es", 1),))
    desk.submit("t1", skills=(("es", 4),))
    assert rung(desk.wait(29_999)) == []
    assert rung(desk.wait(1)) == ["ana"]


def test_a_need_that_is_relaxed_by_five_is_none(desk: Desk) -> None:
    desk.queue("sales", relaxations=(Relaxation(10_000),))
    desk.works("ana")
    desk.submit("t1", skills=(("de", 5), ("es", 5)))
    assert rung(desk.wait(10_000)) == ["ana"]


def test_a_step_that_is_due_when_a_task_comes_back_counts_at_once(desk: Desk) -> None:
    desk.queue("sales", relaxations=(Relaxation(5_000, "es", 5),), offer_timeout_ms=20_000)
    desk.works("ana", skills=(("es", 1),))
    desk.works("bo")
    desk.submit("t1", skills=(("es", 1),))
    assert desk.place("t1") == "rings ana"
    assert rung(desk.wait(20_000)) == ["bo"]


def test_a_relaxation_overdue_at_a_takeover_happens_then(desk: Desk) -> None:
    desk.queue("sales", relaxations=(Relaxation(5_000),))
    desk.works("ana")
    desk.submit("t1", skills=(("es", 1),))
    desk.now += HOUR
    desk.save_and_load()
    assert rung(desk.wait(0)) == ["ana"]


def test_what_a_queue_no_longer_needs_is_matched_at_once(desk: Desk) -> None:
    desk.queue("sales", skills=(("de", 2),))
    desk.works("ana", capacity=2)
    desk.works("bo")
    for task_id in ("t1", "t2", "t3", "t4"):
        desk.submit(task_id)
    made = desk.give(QueueConfigured(ACME, "sales", 2))
    assert rung(made) == ["ana", "bo", "ana"]


# Capacity


def test_a_call_takes_all_and_nothing_else_is_offered_meanwhile(desk: Desk) -> None:
    desk.works("ana", capacity=3)
    desk.submit("call", channel=Channel.CALL)
    desk.accept("ana", "call")
    desk.submit("chat")
    desk.submit("second", channel=Channel.CALL)
    assert (desk.place("chat"), desk.place("second")) == ("waits", "waits")
    desk.complete("ana", "call")
    assert desk.place("chat") == "rings ana"


def test_a_call_waits_until_all_of_an_agent_is_free(desk: Desk) -> None:
    desk.works("ana", capacity=3)
    desk.submit("chat")
    desk.submit("call", channel=Channel.CALL)
    desk.accept("ana", "chat")
    assert desk.place("call") == "waits"
    desk.complete("ana", "chat")
    assert desk.place("call") == "rings ana"


def test_a_call_may_interrupt_chats_and_no_chat_a_call(desk: Desk) -> None:
    desk.queue("sales", channels=CALLS_INTERRUPT_CHATS)
    desk.works("ana", capacity=2)
    for task_id in ("c1", "c2"):
        desk.submit(task_id)
        desk.accept("ana", task_id)
    desk.submit("call", channel=Channel.CALL)
    assert desk.place("call") == "rings ana"
    desk.accept("ana", "call")
    desk.complete("ana", "c1")
    desk.submit("c3")
    assert desk.place("c3") == "waits"


def test_a_task_costs_what_its_queue_says_for_its_channel(desk: Desk) -> None:
    desk.queue("sales", channels=(ChannelRouting(Channel.CHAT, cost=2),))
    desk.works("ana", capacity=5)
    for task_id in ("t1", "t2", "t3"):
        desk.submit(task_id)
    assert [desk.place(one) for one in ("t1", "t2", "t3")] == ["rings ana", "rings ana", "waits"]


def test_what_is_held_costs_what_it_did_when_it_came_whatever_the_settings_say_now(
    desk: Desk,
) -> None:
    desk.works("ana", capacity=2)
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.give(QueueConfigured(ACME, "sales", 2, channels=(ChannelRouting(Channel.CHAT, cost=2),)))
    desk.submit("t2")
    assert desk.place("t2") == "waits"
    desk.complete("ana", "t1")
    assert desk.place("t2") == "rings ana"


def test_nobody_is_offered_what_they_cannot_or_do_not_want_to_work_on(desk: Desk) -> None:
    desk.works("ana")
    desk.give(AgentConfigured(ACME, "ana", 2, False, ("sales",), (), 1, (Channel.CALL,)))
    desk.works("bo")
    desk.give(PresenceObserved(ACME, "bo", 2, True, True, (Channel.CALL,)))
    desk.submit("chat")
    assert removed_by(desk, "chat") == {
        "ana": Filter.CHANNEL_NOT_HANDLED,
        "bo": Filter.CHANNEL_NOT_WANTED,
    }
    desk.submit("call", channel=Channel.CALL)
    assert desk.place("call") == "rings ana"


def test_who_wants_no_more_of_a_channel_rings_no_longer_with_it(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("chat")
    desk.give(PresenceObserved(ACME, "ana", 2, True, True, (Channel.CALL,)))
    assert desk.place("chat") == "waits"


# By hand


@pytest.mark.parametrize(
    ("agent", "why"),
    [
        ({"channels": (Channel.CALL,)}, "ASSIGNEE_CANNOT_TAKE_CHANNEL"),
        ({"capacity": 0}, "ASSIGNEE_AT_CAPACITY"),
        ({"queue_ids": ("support",)}, "ASSIGNEE_NOT_IN_QUEUE"),
        ({}, "done"),
    ],
)
def test_giving_by_hand_asks_for_queue_channel_and_room(
    desk: Desk, agent: dict[str, Any], why: str
) -> None:
    fields = {"queue_ids": ("sales",), "capacity": 1, **agent}
    desk.give(AgentConfigured(ACME, "ana", 1, False, **fields))
    desk.here("ana", receive_new=False)
    desk.submit("t1")
    assert desk.assign("boss", "t1", "ana", role=Role.MANAGER) == why


def test_giving_by_hand_a_call_to_somebody_in_chats_is_refused(desk: Desk) -> None:
    desk.works("ana", capacity=2)
    desk.submit("chat")
    desk.accept("ana", "chat")
    desk.submit("call", channel=Channel.CALL)
    assert desk.assign("boss", "call", "ana", role=Role.MANAGER) == "ASSIGNEE_AT_CAPACITY"


def test_a_call_that_rings_at_somebody_may_be_given_to_them_by_hand(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("call", channel=Channel.CALL)
    assert desk.place("call") == "rings ana"
    assert desk.assign("boss", "call", "ana", role=Role.MANAGER) == "done"
    assert desk.place("call") == "held ana"


def test_what_nobody_asks_any_more_is_forgotten_and_what_waits_is_not() -> None:
    """Or the index of a tenant who asks for something else each time would grow for ever."""
    state = State()
    step(state, QueueConfigured(ACME, "sales", 1), 1)
    step(state, TaskSubmitted(ACME, "waits", "sales", 1, skills=(("es", 1),)), 1)
    for number in range(3_000):
        passes = TaskSubmitted(ACME, f"t{number}", "sales", 1, skills=((f"skill-{number}", 1),))
        step(state, passes, 1)
        step(state, TaskClosed(ACME, f"t{number}"), 1)
    assert len(state.tenants[ACME].index._signatures) < 1_100
    step(state, AgentConfigured(ACME, "ana", 1, False, ("sales",), (("es", 1),), 1), 1)
    step(state, PresenceObserved(ACME, "ana", 1, connected=True, receive_new=True), 1)
    assert state.tenants[ACME].tasks["waits"].rings
