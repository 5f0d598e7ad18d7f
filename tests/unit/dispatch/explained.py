"""A step in which Explain is asked before each offer, and about those who are left waiting."""

from collections.abc import Callable, Iterator
from itertools import islice

from services.dispatch.domain.candidates import Filter, candidates
from services.dispatch.domain.decisions import Decision, Offered
from services.dispatch.domain.engine import decide
from services.dispatch.domain.inputs import Input
from services.dispatch.domain.state import State, evolve

LOOKED_AT = 5
"""Waiting tasks that are explained after each step: more would take the time of a day."""


def explained(
    state: State, it: Input, at: int, insist: Callable[[bool, str], None]
) -> Iterator[Decision]:
    """Do as the engine's step; whom Explain puts first is offered it, and nobody is left."""
    for decision in decide(state, it, at):
        if isinstance(decision, Offered):
            task = state.tenants[decision.tenant_id].tasks[decision.task_id]
            first = candidates(state, task, at)[0]
            alike = (first.agent_id, first.removed_by) == (decision.agent_id, Filter.NONE)
            insist(alike, f"{decision.task_id}: {first} was to be offered it")
        evolve(state, decision, at)
        yield decision
    waiting = (
        task for tenant in state.tenants.values() for task in tenant.tasks.values() if task.waits
    )
    for task in islice(waiting, LOOKED_AT):
        head = next(iter(candidates(state, task, at)), None)
        left = head is not None and head.removed_by is Filter.NONE
        insist(not left, f"{task.submitted.task_id} waits, and not for {head}")
