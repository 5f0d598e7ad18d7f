"""The checkers of channels, skills, turns and keeping are worth something: each router is caught.

By a story, at once: chance would tell it too rarely.
"""

from collections.abc import Callable

import pytest

from services.dispatch.adapters import states
from services.dispatch.domain import (
    demand,
    ending,
    engine,
    index,
    moments,
    refusals,
    state,
    sticky,
    tenant,
)
from services.dispatch.domain.decisions import Offered
from services.dispatch.domain.demand import NO_LOAD, Load, Room
from services.dispatch.domain.index import Index
from services.dispatch.domain.inputs import (
    AgentSelection,
    Channel,
    ChannelRouting,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    Relaxation,
    Sticky,
    StickyTo,
    TaskSelection,
)
from services.dispatch.domain.parties import Agent, Task
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


def who_was_at_it_is_not_asked_first(patch: pytest.MonkeyPatch) -> None:
    meant = sticky._meant
    patch.setattr(sticky, "_meant", lambda *of: list(meant(*of))[1:])


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


def who_was_asked_is_asked_before_who_was_not(patch: pytest.MonkeyPatch) -> None:
    best = Index.best_agent

    def forgetful(self: Index, task: Task, agents: dict[str, Agent]) -> Agent | None:
        refused, task.refused = task.refused, dict.fromkeys(task.excluded, 0)
        try:
            return best(self, task, agents)
        finally:
            task.refused = refused

    patch.setattr(Index, "best_agent", forgetful)


def a_queue_has_the_pause_of_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(refusals, "pause_ms", lambda *_: 20_000)


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
    _noon(desk)


def _noon(desk: Desk) -> None:
    """Let it matter who refused, and when."""
    desk.queue("noon", ask_again_after_ms=5_000)
    desk.works("kay", "noon")
    desk.submit("nine", "noon")
    desk.decline("kay", "nine")
    desk.mode(QueueMode.PAUSED, "noon")
    desk.works("lou", "noon")
    desk.wait(5_000)
    desk.mode(QueueMode.OPEN, "noon")
    desk.submit("ten", "noon")
    desk.decline("kay", "ten")
    desk.wait(5_000)
    desk.here("kay")
    desk.works("mia", "dusk")
    desk.works("ned", "dusk")
    desk.submit("eleven", "dusk", last_agent_id="ned")


PLANTS: dict[Plant, str] = {
    who_was_asked_is_asked_before_who_was_not: "kay is preferred to somebody better",
    a_queue_has_the_pause_of_all: "does not ask ['kay'] again",
    the_newest_goes_first: "younger goes before elder",
    who_wants_no_calls_gets_them: "loud is offered to ida, who must not get it",
    what_is_held_changes_its_cost: "the snapshot changes the state",
    a_call_does_not_take_all: "hal holds more than their capacity",
    what_takes_all_leaves_room: "hal holds more than their capacity",
    experts_are_not_preferred: "novice is preferred to somebody better",
    wishes_are_ignored: "dull is preferred to somebody better",
    turns_are_forgotten: "eva is preferred to somebody better",
    weights_are_ignored: "seven goes before six",
    nothing_is_relaxed: "novice is free and eight waits",
    a_step_of_relaxation_never_comes: "eight asks for too much after its wait",
    a_queue_by_age_goes_by_priority: "young goes before old",
    a_customer_is_not_known: "second is kept for  and not for bo",
    a_task_is_kept_for_nobody: "second is kept for  and not for bo",
    who_was_at_it_is_not_asked_first: "eleven is kept for  and not for ned",
    a_task_is_kept_for_who_went_home: "third is kept for bo in vain",
    a_changed_queue_is_not_matched: "cyd is free and old waits",
}
"""What of the checkers' complaints names the bug."""


def test_an_evening_goes_well() -> None:
    assert an_evening().problems == []


@pytest.mark.parametrize(
    ("plant", "words"), PLANTS.items(), ids=lambda it: getattr(it, "__name__", "")
)
def test_a_router_is_caught_in_which(
    plant: Plant, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert any(words in problem for problem in an_evening().problems)
