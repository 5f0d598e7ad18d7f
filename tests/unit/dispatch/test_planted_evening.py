"""The checkers of channels, skills, turns and keeping are worth something: each router is caught.

By a story, at once: chance would tell it too rarely.
"""

from collections.abc import Callable

import pytest

from services.dispatch.adapters import states
from services.dispatch.domain import demand, ending, engine, index, moments, state, tenant
from services.dispatch.domain.decisions import Offered
from services.dispatch.domain.demand import NO_LOAD, Load, Room
from services.dispatch.domain.inputs import (
    AgentSelection,
    Channel,
    ChannelRouting,
    PresenceObserved,
    QueueConfigured,
    Relaxation,
    Sticky,
    StickyTo,
    TaskSelection,
)
from services.dispatch.domain.parties import Agent
from services.dispatch.domain.timers import WideningDue
from tests.unit.dispatch.desk import ACME, Desk

Plant = Callable[[pytest.MonkeyPatch], None]


def a_call_does_not_take_all(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(demand._UNSAID, Channel.CALL, ChannelRouting(Channel.CALL))


def what_takes_all_leaves_room(patch: pytest.MonkeyPatch) -> None:
    def roomy(self: Room, load: Load) -> bool:
        counted = [(one, n) for one, n in self.loads if one.channel not in load.interrupts]
        used = sum(one.cost * n for one, n in counted if not one.takes_all)
        return used + load.cost <= self.capacity

    patch.setattr(Room, "fits", roomy)


def experts_are_not_preferred(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(demand, "_qualification", lambda *_: 0)


def wishes_are_ignored(patch: pytest.MonkeyPatch) -> None:
    merit = demand.merit
    patch.setattr(index, "merit", lambda levels, it: (0, merit(levels, it)[1]))


def turns_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    offered = state._offered

    def forgetful(shard: state.State, it: Offered, at: int) -> None:
        offered(shard, it, at)
        shard.tenants[it.tenant_id].agent(it.agent_id).turns.clear()

    patch.setitem(state._FOLDS, Offered, forgetful)


def weights_are_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(index, "_weight", lambda _: 1)


def a_queue_by_age_goes_by_priority(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tenant, "urgency_of", lambda priority, _: priority)


def nothing_is_relaxed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(demand, "_relaxed", lambda needs, *_: needs)


def a_step_of_relaxation_never_comes(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(moments._MOMENTS, WideningDue, lambda *_: 0)


def a_customer_is_not_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state, "_remember", lambda *_: None)


def a_task_is_kept_for_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine, "keeper_of", lambda *_: ("", 0))


def a_task_is_kept_for_who_went_home(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ending, "in_vain", lambda *_: False)


def who_wants_no_calls_gets_them(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Agent, "channels", property(lambda _: (1, 2, 3)))


def a_changed_queue_is_not_matched(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine, "match_queue", lambda *_: iter(()))


def what_is_held_changes_its_cost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(states, "_read_load", lambda _: NO_LOAD)


def the_newest_goes_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(index, "_goes_before", lambda one, other, _: one > other)


def an_evening() -> Desk:
    """Let come together what chance seldom brings: a known customer, an age, a changed queue."""
    desk = Desk()
    desk.queue("sales", sticky=Sticky(StickyTo.LAST, hold_ms=5_000))
    desk.works("bo")
    for task_id in ("first", "second"):
        desk.submit(task_id, contact_id="kim")
        desk.accept("bo", task_id)
        if task_id == "first":
            desk.complete("bo", task_id)
    desk.works("ana")
    desk.submit("third", contact_id="kim")
    desk.gone("bo")
    desk.accept("ana", "third")
    desk.queue("support", skills=(("es", 1),), task_selection=TaskSelection.AGE)
    desk.works("cyd", "support")
    desk.submit("old", "support", priority=1, age=9_000)
    desk.submit("young", "support", priority=9)
    desk.give(QueueConfigured(ACME, "support", 2, task_selection=TaskSelection.AGE))
    _night(desk)
    return desk


def _night(desk: Desk) -> None:
    """Let experts, wishes, turns, weights and steps of relaxation matter, one after the other."""
    desk.queue("hard", AgentSelection.MOST_QUALIFIED, relaxations=(Relaxation(5_000, "de", 5),))
    desk.works("novice", "hard", skills=(("es", 1),))
    desk.works("expert", "hard", skills=(("es", 5),))
    desk.submit("one", "hard", skills=(("es", 1),))
    desk.queue("kind")
    desk.works("dull", "kind")
    desk.works("gifted", "kind", skills=(("es", 3),))
    desk.submit("two", "kind", wishes=(("es", 2),))
    desk.queue("turns", AgentSelection.ROUND_ROBIN)
    desk.works("eva", "turns", capacity=3)
    desk.works("fay", "turns")
    for task_id in ("three", "four", "five"):
        desk.submit(task_id, "turns")
        if task_id == "three":
            desk.accept("eva", task_id)
            desk.gone("fay")
            desk.here("fay")
            desk.complete("eva", task_id)
            desk.gone("fay")
            desk.here("fay")
    desk.queue("heavy", weight=9)
    desk.submit("six", "heavy", age=2_000)
    desk.submit("seven", "light", age=4_000)
    desk.works("gus", "heavy", "light")
    desk.submit("eight", "hard", skills=(("de", 4),))
    desk.wait(6_000)
    _morning(desk)


def _morning(desk: Desk) -> None:
    """Let channels, capacity and age matter, and what a snapshot keeps of them."""
    desk.works("hal", "phones", capacity=3)
    desk.submit("call", "phones", channel=Channel.CALL)
    desk.submit("chat", "phones")
    desk.works("ida", "quiet", capacity=3)
    only_chats = (Channel.CHAT,)
    desk.give(PresenceObserved(ACME, "ida", 1, True, True, only_chats))
    desk.submit("loud", "quiet", channel=Channel.CALL)
    desk.submit("soft", "quiet", cost=2)
    desk.accept("ida", "soft")
    desk.submit("elder", "dawn", skills=(("es", 1),), age=2_000)
    desk.submit("younger", "dawn", skills=(("de", 1),), age=1_000)
    desk.works("joe", "dawn", skills=(("de", 1), ("es", 1)))
    desk.save_and_load()


PLANTS = [
    the_newest_goes_first,
    who_wants_no_calls_gets_them,
    what_is_held_changes_its_cost,
    a_call_does_not_take_all,
    what_takes_all_leaves_room,
    experts_are_not_preferred,
    wishes_are_ignored,
    turns_are_forgotten,
    weights_are_ignored,
    nothing_is_relaxed,
    a_step_of_relaxation_never_comes,
    a_queue_by_age_goes_by_priority,
    a_customer_is_not_known,
    a_task_is_kept_for_nobody,
    a_task_is_kept_for_who_went_home,
    a_changed_queue_is_not_matched,
]


def test_an_evening_goes_well() -> None:
    assert an_evening().problems == []


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_router_is_caught_in_which(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert an_evening().problems
