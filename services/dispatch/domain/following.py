"""What follows when an agent is free, a task waits, or an offer ended: the rules' vocabulary.

Each of these is a generator of decisions, resumed like the rule that yields from it when the
decision before has been folded in.
"""

from collections.abc import Callable, Iterator
from typing import Any

from .decisions import Answered, Completed, Decision, OfferClosed, Offered, OfferEnd, Queued, Reason
from .index import Agent, Task
from .inputs import Command
from .state import Tenant

Decisions = Iterator[Decision]
Rule = Callable[[Tenant, Any, int], Decisions]


def find_agent(tenant: Tenant, task: Task, at: int) -> Decisions:
    agent = tenant.index.best_agent(task)
    if agent is not None:
        yield offer(tenant, task, agent, at)


def find_tasks(tenant: Tenant, agent: Agent, at: int) -> Decisions:
    while (task := tenant.index.best_task(agent)) is not None:
        yield offer(tenant, task, agent, at)


def complete(tenant: Tenant, task: Task, at: int) -> Decisions:
    submitted = task.submitted
    agent = tenant.agents[task.agent_id]
    yield Completed(
        submitted.tenant_id, submitted.task_id, submitted.queue_id, task.revision + 1, agent.id
    )
    yield from find_tasks(tenant, agent, at)


def refused(tenant: Tenant, task: Task, end: OfferEnd, at: int) -> Decisions:
    """Go on without the agent who did not take it."""
    agent = tenant.agents[task.agent_id]
    yield closed(task, end)
    yield again(task, agent.id)
    yield from find_agent(tenant, task, at)
    yield from find_tasks(tenant, agent, at)


def take_back(tenant: Tenant, task: Task, at: int) -> Decisions:
    """Go on without the agent who left; they have refused nothing."""
    yield closed(task, OfferEnd.RESCINDED)
    yield again(task)
    yield from find_agent(tenant, task, at)


def first_come(agent: Agent) -> list[Task]:
    """List what an agent has as the lines would: given back together, nothing overtakes."""
    return sorted(
        agent.tasks.values(),
        key=lambda it: (-it.priority, it.submitted.enqueued_at, it.submitted.task_id),
    )


def offer(tenant: Tenant, task: Task, agent: Agent, at: int) -> Offered:
    submitted = task.submitted
    return Offered(
        submitted.tenant_id,
        submitted.task_id,
        submitted.queue_id,
        task.revision + 1,
        agent.id,
        at + tenant.queue(submitted.queue_id).offer_timeout_ms,
    )


def closed(task: Task, end: OfferEnd) -> OfferClosed:
    submitted = task.submitted
    return OfferClosed(
        submitted.tenant_id,
        submitted.task_id,
        submitted.queue_id,
        task.revision + 1,
        task.agent_id,
        end,
    )


def again(task: Task, *without: str) -> Queued:
    excluded = tuple(sorted({*task.excluded, *without}))
    return Queued(task.submitted, task.revision + 1, excluded)


def answer(it: Command, reason: Reason) -> Answered:
    return Answered(it.tenant_id, it.request_id, reason, it.reply_to)


def once(rule: Rule) -> Rule:
    """Answer a repeated command as the first time, without doing it again."""

    def repeated_or_ruled(tenant: Tenant, it: Command, at: int) -> Decisions:
        before = tenant.answers.get(it.request_id) if it.request_id else None
        if before is not None:
            return iter((answer(it, before[0]),))
        return rule(tenant, it, at)

    return repeated_or_ruled
