"""The checkers of the engine are worth something: each of these routers is caught."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.dispatch.adapters import snapshots, states
from services.dispatch.domain import (
    ending,
    engine,
    following,
    moments,
    parties,
    refusals,
    requests,
    state,
    supervision,
)
from services.dispatch.domain.decisions import (
    Answered,
    Decision,
    OfferEnd,
    Queued,
    Reason,
    RefusalsForgotten,
)
from services.dispatch.domain.demand import Room
from services.dispatch.domain.groups import Groups
from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    DeclineOffer,
    PresenceObserved,
)
from services.dispatch.domain.parties import Agent, Task
from services.dispatch.domain.tenant import Tenant
from services.dispatch.domain.timers import AskAgainDue
from tests.unit.dispatch.machine import Routing

Plant = Callable[[pytest.MonkeyPatch], None]

SEARCH = settings(
    max_examples=300,
    stateful_step_count=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def everywhere(patch: pytest.MonkeyPatch, name: str, planted: Any) -> None:
    """Plant a function in every module of the rules that calls it."""
    for module in (ending, engine, following, requests, supervision):
        if hasattr(module, name):
            patch.setattr(module, name, planted)


def capacity_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Room, "fits", lambda *_: True)


def a_task_comes_back_young(patch: pytest.MonkeyPatch) -> None:
    again = following.again

    def younger(tenant: Tenant, task: Task, at: int) -> Queued:
        it = again(tenant, task, at)
        return replace(it, task=replace(it.task, enqueued_at=it.task.enqueued_at + 1))

    everywhere(patch, "again", younger)


def who_declined_is_not_noted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OfferEnd, "refused", property(lambda _: False))


def who_declined_is_asked_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(parties, "_first_but", lambda line, _: line[0] if line else None)


def who_returns_is_never_asked_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state, "_readmit", lambda *_: None)


def the_busiest_idle_agent_is_preferred(patch: pytest.MonkeyPatch) -> None:
    load_changed = state.State.load_changed

    def backwards(self: state.State, agent: Agent, at: int) -> None:
        load_changed(self, agent, at)
        agent.idle_since = -at
        agent.idle_order = -self.order

    patch.setattr(state.State, "load_changed", backwards)


def freed_capacity_is_left_idle(patch: pytest.MonkeyPatch) -> None:
    everywhere(patch, "find_tasks", lambda *_: iter(()))


def offers_never_ring_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state.State, "next_timer", lambda _: None)


def answers_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(state._FOLDS, Answered, lambda *_: None)


def what_was_asked_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    answered = state._FOLDS[Answered]
    forgetful: Any = lambda of, it, at: answered(of, replace(it, fingerprint=b""), at)  # noqa: E731 - one line of a plant
    patch.setitem(state._FOLDS, Answered, forgetful)


def an_ended_task_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    end = state._end

    def forgetful(tenant: Tenant, task_id: str, at: int) -> None:
        end(tenant, task_id, at)
        del tenant.ended[task_id]

    patch.setattr(state, "_end", forgetful)


def stale_facts_count(patch: pytest.MonkeyPatch) -> None:
    observed = engine._presence_observed

    def gullible(tenant: Tenant, it: PresenceObserved, at: int) -> Iterator[Decision]:
        return observed(tenant, replace(it, version=0), at)

    patch.setitem(engine._RULES, PresenceObserved, gullible)


def work_of_a_removed_agent_is_left_behind(patch: pytest.MonkeyPatch) -> None:
    careful = engine._agent_configured

    def careless(tenant: Tenant, it: AgentConfigured, at: int) -> Iterator[Decision]:
        for decision in careful(tenant, it, at):
            if not (isinstance(decision, Queued) and it.removed):
                yield decision

    patch.setitem(engine._RULES, AgentConfigured, careless)


def an_answer_is_given_twice(patch: pytest.MonkeyPatch) -> None:
    complete = following.complete

    def chatty(tenant: Tenant, task: Task, at: int) -> Iterator[Decision]:
        yield from complete(tenant, task, at)
        yield Answered(tenant.id, "r1", Reason.DONE, "")

    everywhere(patch, "complete", chatty)


def a_rule_changes_the_state_behind_the_journal(patch: pytest.MonkeyPatch) -> None:
    find_agent = following.find_agent

    def meddling(tenant: Tenant, task: Task, at: int) -> Iterator[Decision]:
        task.priority += 1
        yield from find_agent(tenant, task, at)

    everywhere(patch, "find_agent", meddling)


def a_snapshot_forgets_who_declined(patch: pytest.MonkeyPatch) -> None:
    write: Callable[..., Any] = states.write_task_state

    def trusting(task: Any, rev: int, _: Any, __: Any, *more: Any) -> Any:
        return write(task, rev, (), (), *more)

    patch.setattr(snapshots, "write_task_state", trusting)


def a_snapshot_forgets_who_is_idle_longest(patch: pytest.MonkeyPatch) -> None:
    write = states.write_agent_state
    patch.setattr(
        snapshots, "write_agent_state", lambda c, p, _, __, turns: write(c, p, 0, 0, turns)
    )


def who_declined_is_never_asked_again(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(moments._MOMENTS, AskAgainDue, lambda *_: 0)


def who_declined_is_asked_again_too_early(patch: pytest.MonkeyPatch) -> None:
    pause_ms = refusals.pause_ms
    patch.setattr(refusals, "pause_ms", lambda *of: max(1, pause_ms(*of) - 1_000))


def a_new_choice_of_ready_is_not_heard(patch: pytest.MonkeyPatch) -> None:
    observed = engine._presence_observed

    def deaf(tenant: Tenant, it: PresenceObserved, at: int) -> Iterator[Decision]:
        for decision in observed(tenant, it, at):
            if not isinstance(decision, RefusalsForgotten):
                yield decision

    patch.setitem(engine._RULES, PresenceObserved, deaf)


def a_snapshot_forgets_when_they_declined(patch: pytest.MonkeyPatch) -> None:
    write: Callable[..., Any] = states.write_task_state

    def vague(task: Any, rev: int, out: Any, _: Any, *more: Any) -> Any:
        return write(task, rev, out, (), *more)

    patch.setattr(snapshots, "write_task_state", vague)


def a_group_rings_at_one_only(patch: pytest.MonkeyPatch) -> None:
    whom = Groups.whom_to_ring

    def one(self: Groups, task: Task, agents: dict[str, Agent]) -> list[Agent]:
        return whom(self, task, agents)[:1]

    patch.setattr(Groups, "whom_to_ring", one)


def a_group_forgets_its_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Groups, "in_order", lambda self, it: sorted(self.members(it.submitted.group_id)))


def who_becomes_able_is_left_out_of_the_ringing(patch: pytest.MonkeyPatch) -> None:
    best = Groups.best_task

    def only_waiting(self: Groups, agent: Agent) -> Task | None:
        task = best(self, agent)
        return None if task is None or task.rings else task

    patch.setattr(Groups, "best_task", only_waiting)


def the_others_ring_on_when_somebody_accepts(patch: pytest.MonkeyPatch) -> None:
    closed = following.closed

    def deaf(task: Task, agent_ids: Iterable[str], end: OfferEnd) -> Iterator[Decision]:
        return iter(()) if end is OfferEnd.TAKEN_ELSEWHERE else closed(task, agent_ids, end)

    everywhere(patch, "closed", deaf)


def what_the_others_had_reserved_is_lost(patch: pytest.MonkeyPatch) -> None:
    release = state._release

    def only_one(*of: Any) -> None:
        *_, task, _agent_id, _at = of
        if len(task.offers) < 2:
            release(*of)

    patch.setattr(state, "_release", only_one)


def a_snapshot_forgets_all_but_one_ring(patch: pytest.MonkeyPatch) -> None:
    write: Callable[..., Any] = states.write_task_state

    def one(*columns: Any) -> Any:
        task, revision, excluded, refused, holder, offers, *more = columns
        return write(task, revision, excluded, refused, holder, offers[:1], *more)

    patch.setattr(snapshots, "write_task_state", one)


PLANTS: dict[Plant, str] = {
    a_group_rings_at_one_only: "is free and .* waits",
    a_group_forgets_its_order: "is preferred to somebody better",
    who_becomes_able_is_left_out_of_the_ringing: "(is free and .* waits|goes before)",
    the_others_ring_on_when_somebody_accepts: "rings at .* as well",
    what_the_others_had_reserved_is_lost: "is said to ring on at others",
    a_snapshot_forgets_all_but_one_ring: "the snapshot changes the state",
    capacity_is_not_looked_at: "holds more than their capacity",
    a_task_comes_back_young: "comes back changed: age",
    who_declined_is_not_noted: "comes back to .* too early",
    who_declined_is_asked_again: "is offered to .*, who must not get it",
    who_declined_is_never_asked_again: "does not ask .* again, whose pause is over",
    who_declined_is_asked_again_too_early: "asks .* again too early",
    a_new_choice_of_ready_is_not_heard: "chose Ready and .* are held against them",
    a_snapshot_forgets_when_they_declined: "the snapshot changes the state",
    who_returns_is_never_asked_again: "is free and .* waits",
    the_busiest_idle_agent_is_preferred: "is preferred to somebody better",
    freed_capacity_is_left_idle: "is free and .* waits",
    offers_never_ring_out: "rings beyond its deadline",
    answers_are_forgotten: "is not answered as before",
    what_was_asked_is_forgotten: "is not answered as before",
    an_ended_task_is_forgotten: "(is queued after its end|ends twice)",
    stale_facts_count: "presence_observed (led to|was written down as something else)",
    work_of_a_removed_agent_is_left_behind: "(is lost between two places|is removed and still has)",
    an_answer_is_given_twice: "a command is answered once, at the end",
    a_rule_changes_the_state_behind_the_journal: "the fold is not the state",
    a_snapshot_forgets_who_declined: "the snapshot changes the state",
    a_snapshot_forgets_who_is_idle_longest: "the snapshot changes the state",
}
"""What of the checkers' complaints names the bug."""


@pytest.mark.parametrize(
    ("plant", "words"), PLANTS.items(), ids=lambda it: getattr(it, "__name__", "")
)
def test_a_router_is_caught_in_which(
    plant: Plant, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=words):
        run_state_machine_as_test(Routing, settings=SEARCH)


def test_a_router_is_caught_that_an_input_can_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    not_rung = engine._not_rung

    def trusting(tenant: Tenant, task: Task | None, it: AcceptOffer | DeclineOffer) -> Any:
        known = tenant.agents[it.agent_id]
        return not_rung(tenant, task, replace(it, agent_id=known.id))

    monkeypatch.setattr(engine, "_not_rung", trusting)
    with pytest.raises(KeyError):
        run_state_machine_as_test(Routing, settings=SEARCH)
