"""The router: what it decides on each input. Pure, total, and quick.

`decide` yields decisions one by one and is resumed only when the one before has been folded in
with `evolve`, so each is made on the state that the last one left. It reads no clock, raises on
no input, and leaves one thing true after every step: no free agent and waiting task that suit
each other are left standing.
"""

from collections.abc import Callable, Iterator
from typing import Any

from .decisions import (
    AgentSet,
    Answered,
    Assigned,
    Cancelled,
    Completed,
    Decision,
    OfferClosed,
    Offered,
    OfferEnd,
    PresenceSet,
    Queued,
    QueueSet,
    Reason,
)
from .index import Agent, Task
from .inputs import (
    AcceptOffer,
    AgentConfigured,
    AssignTask,
    Command,
    CompleteTask,
    DeclineOffer,
    Input,
    OfferRangOut,
    PresenceObserved,
    QueueConfigured,
    Role,
    TaskClosed,
    TaskSubmitted,
)
from .state import State, Tenant, evolve

Decisions = Iterator[Decision]


def step(state: State, it: Input, at: int) -> list[Decision]:
    """Decide on one input and fold what was decided."""
    decisions = []
    for decision in decide(state, it, at):
        evolve(state, decision, at)
        decisions.append(decision)
    return decisions


def decide(state: State, it: Input, at: int) -> Decisions:
    """Yield what follows from one input at the moment `at`. See the module."""
    tenant = state.tenant(it.tenant_id)
    return _RULES[type(it)](tenant, it, at)


# Facts


def _queue_configured(tenant: Tenant, it: QueueConfigured, _at: int) -> Decisions:
    known = tenant.queues.get(it.queue_id)
    if known is None or known.version < it.version:
        yield QueueSet(it)


def _agent_configured(tenant: Tenant, it: AgentConfigured, at: int) -> Decisions:
    known = tenant.agents.get(it.agent_id)
    if known is not None and 0 < it.version <= known.config.version:
        return
    yield AgentSet(it)
    agent = tenant.agents[it.agent_id]
    for task in _first_come(agent):
        if task.rings and (it.removed or task.submitted.queue_id not in it.queue_ids):
            yield from _take_back(tenant, task, at)
        elif it.removed:
            yield _again(task)
            yield from _find_agent(tenant, task, at)
    yield from _find_tasks(tenant, agent, at)


def _presence_observed(tenant: Tenant, it: PresenceObserved, at: int) -> Decisions:
    known = tenant.agents.get(it.agent_id)
    if known is not None and 0 < it.version <= known.presence.version:
        return
    yield PresenceSet(it)
    agent = tenant.agents[it.agent_id]
    if agent.receiving:
        yield from _find_tasks(tenant, agent, at)
        return
    for task in _first_come(agent):
        if task.rings:
            yield from _take_back(tenant, task, at)


def _task_submitted(tenant: Tenant, it: TaskSubmitted, at: int) -> Decisions:
    if it.task_id in tenant.tasks or it.task_id in tenant.ended:
        return
    yield Queued(it, 1)
    yield from _find_agent(tenant, tenant.tasks[it.task_id], at)


def _task_closed(tenant: Tenant, it: TaskClosed, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None:
        if it.task_id not in tenant.ended:
            yield Cancelled(it.tenant_id, it.task_id, "", 1)
    elif task.held:
        yield from _complete(tenant, task, at)
    else:
        agent = tenant.agents[task.agent_id] if task.rings else None
        if agent is not None:
            yield _closed(task, OfferEnd.RESCINDED)
        submitted = task.submitted
        yield Cancelled(it.tenant_id, it.task_id, submitted.queue_id, task.revision + 1)
        if agent is not None:
            yield from _find_tasks(tenant, agent, at)


def _offer_rang_out(tenant: Tenant, it: OfferRangOut, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is not None and task.rings and task.expires_at <= at:
        yield from _refused(tenant, task, OfferEnd.TIMED_OUT, at)


# Commands


def _accept_offer(tenant: Tenant, it: AcceptOffer, _at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if (no := _not_rung(tenant, task, it)) is not None or task is None:
        yield _answer(it, no or Reason.TASK_NOT_FOUND)
        return
    submitted = task.submitted
    yield Assigned(it.tenant_id, it.task_id, submitted.queue_id, task.revision + 1, it.agent_id)
    yield _answer(it, Reason.DONE)


def _decline_offer(tenant: Tenant, it: DeclineOffer, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if (no := _not_rung(tenant, task, it)) is not None or task is None:
        yield _answer(it, no or Reason.TASK_NOT_FOUND)
        return
    yield from _refused(tenant, task, OfferEnd.DECLINED, at)
    yield _answer(it, Reason.DONE)


def _assign_task(tenant: Tenant, it: AssignTask, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None:
        yield _answer(it, Reason.TASK_NOT_FOUND)
        return
    if (no := _not_assignable(tenant, task, it)) is not None:
        yield _answer(it, no)
        return
    rung = tenant.agents[task.agent_id] if task.rings and task.agent_id != it.assignee_id else None
    if rung is not None:
        yield _closed(task, OfferEnd.RESCINDED)
    yield Assigned(
        it.tenant_id,
        it.task_id,
        task.submitted.queue_id,
        task.revision + 1,
        it.assignee_id,
        it.actor_id,
    )
    if rung is not None:
        yield from _find_tasks(tenant, rung, at)
    yield _answer(it, Reason.DONE)


def _complete_task(tenant: Tenant, it: CompleteTask, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None:
        yield _answer(it, Reason.TASK_NOT_FOUND)
    elif not task.held:
        yield _answer(it, Reason.TASK_NOT_ASSIGNED)
    elif task.agent_id != it.actor_id and it.actor_role < Role.SUPERVISOR:
        yield _answer(it, Reason.TASK_NOT_YOURS)
    else:
        yield from _complete(tenant, task, at)
        yield _answer(it, Reason.DONE)


def _not_rung(tenant: Tenant, task: Task | None, it: AcceptOffer | DeclineOffer) -> Reason | None:
    """Say why not. A deadline has passed when its timer has been decided, and not before."""
    if task is None:
        known = it.task_id in tenant.ended
        return Reason.OFFER_NOT_YOURS if known else Reason.TASK_NOT_FOUND
    if not task.rings or task.agent_id != it.agent_id:
        return Reason.OFFER_NOT_YOURS
    return None


def _not_assignable(tenant: Tenant, task: Task, it: AssignTask) -> Reason | None:
    queue_id = task.submitted.queue_id
    actor = tenant.agents.get(it.actor_id)
    if it.actor_role < Role.MANAGER and (actor is None or queue_id not in actor.config.queue_ids):
        return Reason.TASK_NOT_IN_YOUR_QUEUES
    if task.held:
        return Reason.TASK_ALREADY_ASSIGNED
    assignee = tenant.agents.get(it.assignee_id)
    if assignee is None or assignee.config.removed or queue_id not in assignee.config.queue_ids:
        return Reason.ASSIGNEE_NOT_IN_QUEUE
    if not assignee.presence.connected:
        return Reason.ASSIGNEE_NOT_CONNECTED
    reserved = task.submitted.cost if task.agent_id == it.assignee_id else 0
    if assignee.free + reserved < task.submitted.cost:
        return Reason.ASSIGNEE_AT_CAPACITY
    return None


# What follows


def _find_agent(tenant: Tenant, task: Task, at: int) -> Decisions:
    agent = tenant.index.best_agent(task)
    if agent is not None:
        yield _offer(tenant, task, agent, at)


def _find_tasks(tenant: Tenant, agent: Agent, at: int) -> Decisions:
    while (task := tenant.index.best_task(agent)) is not None:
        yield _offer(tenant, task, agent, at)


def _complete(tenant: Tenant, task: Task, at: int) -> Decisions:
    submitted = task.submitted
    agent = tenant.agents[task.agent_id]
    yield Completed(
        submitted.tenant_id, submitted.task_id, submitted.queue_id, task.revision + 1, agent.id
    )
    yield from _find_tasks(tenant, agent, at)


def _refused(tenant: Tenant, task: Task, end: OfferEnd, at: int) -> Decisions:
    """Go on without the agent who did not take it."""
    agent = tenant.agents[task.agent_id]
    yield _closed(task, end)
    yield _again(task, agent.id)
    yield from _find_agent(tenant, task, at)
    yield from _find_tasks(tenant, agent, at)


def _take_back(tenant: Tenant, task: Task, at: int) -> Decisions:
    """Go on without the agent who left; they have refused nothing."""
    yield _closed(task, OfferEnd.RESCINDED)
    yield _again(task)
    yield from _find_agent(tenant, task, at)


def _first_come(agent: Agent) -> list[Task]:
    """List what an agent has as the lines would: given back together, nothing overtakes."""
    return sorted(
        agent.tasks.values(),
        key=lambda it: (-it.priority, it.submitted.enqueued_at, it.submitted.task_id),
    )


def _offer(tenant: Tenant, task: Task, agent: Agent, at: int) -> Offered:
    submitted = task.submitted
    return Offered(
        submitted.tenant_id,
        submitted.task_id,
        submitted.queue_id,
        task.revision + 1,
        agent.id,
        at + tenant.queue(submitted.queue_id).offer_timeout_ms,
    )


def _closed(task: Task, end: OfferEnd) -> OfferClosed:
    submitted = task.submitted
    return OfferClosed(
        submitted.tenant_id,
        submitted.task_id,
        submitted.queue_id,
        task.revision + 1,
        task.agent_id,
        end,
    )


def _again(task: Task, *without: str) -> Queued:
    excluded = tuple(sorted({*task.excluded, *without}))
    return Queued(task.submitted, task.revision + 1, excluded)


def _answer(it: Command, reason: Reason) -> Answered:
    return Answered(it.tenant_id, it.request_id, reason, it.reply_to)


def _once(rule: Callable[[Tenant, Any, int], Decisions]) -> Callable[[Tenant, Any, int], Decisions]:
    """Answer a repeated command as the first time, without doing it again."""

    def repeated_or_ruled(tenant: Tenant, it: Command, at: int) -> Decisions:
        before = tenant.answers.get(it.request_id) if it.request_id else None
        if before is not None:
            return iter((_answer(it, before[0]),))
        return rule(tenant, it, at)

    return repeated_or_ruled


_RULES: dict[type[Any], Callable[[Tenant, Any, int], Decisions]] = {
    QueueConfigured: _queue_configured,
    AgentConfigured: _agent_configured,
    PresenceObserved: _presence_observed,
    TaskSubmitted: _task_submitted,
    TaskClosed: _task_closed,
    OfferRangOut: _offer_rang_out,
    AcceptOffer: _once(_accept_offer),
    DeclineOffer: _once(_decline_offer),
    AssignTask: _once(_assign_task),
    CompleteTask: _once(_complete_task),
}
