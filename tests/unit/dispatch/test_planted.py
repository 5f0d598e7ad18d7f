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
    index,
    requests,
    state,
    supervision,
)
from services.dispatch.domain.decisions import Answered, Decision, OfferEnd, Queued, Reason
from services.dispatch.domain.demand import Room
from services.dispatch.domain.groups import Groups
from services.dispatch.domain.inputs import (
    AgentConfigured,
    PresenceObserved,
)
from services.dispatch.domain.parties import Agent, Task
from services.dispatch.domain.tenant import Tenant
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

    def younger(task: Task) -> Queued:
        it = again(task)
        return replace(it, task=replace(it.task, enqueued_at=it.task.enqueued_at + 1))

    everywhere(patch, "again", younger)


def who_declined_is_not_noted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OfferEnd, "refused", property(lambda _: False))


def who_declined_is_asked_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(index, "_first_but", lambda line, _: line[0] if line else None)


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
    write = states.write_task_state
    patch.setattr(snapshots, "write_task_state", lambda s, r, _, *more: write(s, r, (), *more))


def a_snapshot_forgets_who_is_idle_longest(patch: pytest.MonkeyPatch) -> None:
    write = states.write_agent_state
    patch.setattr(
        snapshots, "write_agent_state", lambda c, p, _, __, turns: write(c, p, 0, 0, turns)
    )


def an_input_can_stop_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine, "_not_rung", lambda tenant, task, it: tenant.agents[it.agent_id] and None)


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

    def one(task: Any, rev: int, out: Any, holder: str, offers: Any, *more: Any) -> Any:
        return write(task, rev, out, holder, offers[:1], *more)

    patch.setattr(snapshots, "write_task_state", one)


PLANTS = [
    a_group_rings_at_one_only,
    a_group_forgets_its_order,
    who_becomes_able_is_left_out_of_the_ringing,
    the_others_ring_on_when_somebody_accepts,
    what_the_others_had_reserved_is_lost,
    a_snapshot_forgets_all_but_one_ring,
    capacity_is_not_looked_at,
    a_task_comes_back_young,
    who_declined_is_not_noted,
    who_declined_is_asked_again,
    who_returns_is_never_asked_again,
    the_busiest_idle_agent_is_preferred,
    freed_capacity_is_left_idle,
    offers_never_ring_out,
    answers_are_forgotten,
    an_ended_task_is_forgotten,
    stale_facts_count,
    work_of_a_removed_agent_is_left_behind,
    an_answer_is_given_twice,
    a_rule_changes_the_state_behind_the_journal,
    a_snapshot_forgets_who_declined,
    a_snapshot_forgets_who_is_idle_longest,
    an_input_can_stop_it,
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_router_is_caught_in_which(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(Exception):  # noqa: B017, PT011 - a broken router may also break down
        run_state_machine_as_test(Routing, settings=SEARCH)
