"""What follows when an agent is free, a task waits, or an offer ended: the rules' vocabulary.

Each of these is a generator of decisions, resumed like the rule that yields from it when the
decision before has been folded in.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import Any

from . import after_service, overflow
from .decisions import (
    Acted,
    Action,
    Answered,
    Assigned,
    Cancelled,
    Completed,
    Decision,
    OfferClosed,
    Offered,
    OfferEnd,
    Queued,
    Reason,
    Widened,
)
from .demand import steps_due
from .inputs import Command
from .invariants import Broken
from .parties import Agent, Signature, Task
from .tenant import Tenant

Decisions = Iterator[Decision]
Rule = Callable[[Tenant, Any, int], Decisions]


def find_agent(tenant: Tenant, task: Task, at: int) -> Iterator[Offered]:
    """Ring at whom the queue prefers, or at those whom the group's strategy names."""
    if task.submitted.group_id in tenant.groups.configured:
        for agent in tenant.groups.whom_to_ring(task, tenant.agents):
            yield offer(tenant, task, agent, at)
    elif (best := tenant.index.best_agent(task, tenant.agents)) is not None:
        yield offer(tenant, task, best, at)


def find_tasks(tenant: Tenant, agent: Agent, at: int) -> Decisions:
    """Ring at an agent as long as there is something for them."""
    while (task := tenant.best_task(agent, at)) is not None:
        yield offer(tenant, task, agent, at)


def match_queue(tenant: Tenant, queue_id: str, at: int) -> Decisions:
    """Offer what waits in a queue that has changed, first come first."""
    return in_turn(tenant, tenant.heads_of(queue_id), at)


def find_work(tenant: Tenant, agents: Sequence[Agent], at: int) -> Decisions:
    """Share out among those who are free at once what none but they have room for."""
    if len(agents) == 1:
        return find_tasks(tenant, agents[0], at)
    return share_out(tenant, agents, at) if agents else iter(())


def share_out(
    tenant: Tenant, agents: Collection[Agent], at: int, tasks: Collection[Task] = ()
) -> Decisions:
    """Ring, first come first, for what some agents are free for, and for some tasks that wait."""
    free = {agent.id: agent for agent in agents}
    heads = chain(tenant.heads_for(agents), tasks)
    came = set(tasks)
    for offered in in_turn(tenant, heads, at, lambda task: bool(free) or task in came):
        yield offered
        if not tenant.has_room(tenant.agents[offered.agent_id]):
            free.pop(offered.agent_id, None)
    for agent in free.values():
        if (task := tenant.best_task(agent, at)) is not None:
            task_id = task.submitted.task_id
            raise Broken(f"{tenant.id}/{task_id} is for {agent.id}, who is free, and does not ring")


def in_turn(
    tenant: Tenant, heads: Iterable[Task], at: int, wanted: Callable[[Task], bool] = lambda _: True
) -> Iterator[Offered]:
    """Offer what stands first in its line, first come first, and then what stands behind it.

    Nobody becomes free meanwhile: what asks the same as a task whose turn was in vain is passed
    over. So each line costs its offers and one look more, however many agents are free.
    """
    turns = [(tenant.precedence(task, at), task) for task in dict.fromkeys(heads)]
    heapify(turns)
    seen, passed = set[Task](), set[Signature]()
    while turns:
        _, task = heappop(turns)
        line, rung = task.signature, False
        if task in seen or line in passed or not wanted(task):
            continue
        seen.add(task)
        for offered in find_agent(tenant, task, at):
            rung = True
            yield offered
        behind: Task | None = None
        if line is not None and rung:
            behind = line.head_task()
        elif line is not None:
            passed.add(line)
        elif task.offers or task.excluded:
            # Whom a group's task rings at already, or must not reach, may get the one behind it.
            behind = tenant.groups.behind(task)
        if behind is not None:
            heappush(turns, (tenant.precedence(behind, at), behind))


def place(tenant: Tenant, task: Task, at: int, *, new: bool = False) -> Decisions:
    """Go on with a task that waits, perhaps since now: it rings, it overflows, or it stays."""
    task_id = task.submitted.task_id
    while task_id in tenant.tasks:
        cause = overflow.shut_out(tenant, task, new=new)
        if cause is None:
            yield from find_agent(tenant, task, at)
            if not task.waits:
                return
            cause = overflow.cause_for(tenant, task, at, new=new)
            if cause is not None and task.kept_for:
                # Who cannot stay does not wait for one agent: everybody is asked first.
                yield widened(tenant, task, at)
                continue
        if cause is None:
            return
        yield from overflow.overflow(tenant, task, cause, at)
        new = True


def place_all(tenant: Tenant, tasks: Iterable[Task], at: int, *, new: bool = False) -> Decisions:
    """Go on with tasks that wait together, so that none overtakes another on the way."""
    return settle(tenant, {task: new for task in tasks if task.waits}, (), at)


def settle(
    tenant: Tenant, came: Mapping[Task, bool], freed: Collection[Agent], at: int
) -> Decisions:
    """Go on with tasks that wait together, and with agents who are free again.

    `came` says which of the tasks are new to their queue. First each goes to where it is let in,
    then they ring, and whatever else comes first for whom is free; then who found nobody may have
    to leave.
    """
    came_to = {task: task.submitted.queue_id for task in came}
    for task, new in came.items():
        yield from let_in(tenant, task, at, new=new)
    left = [task for task in came if task.submitted.task_id in tenant.tasks]
    yield from share_out(tenant, freed, at, left)
    for task in in_order(tenant, left, at):
        if task.waits:
            new = came[task] or task.submitted.queue_id != came_to[task]
            yield from place(tenant, task, at, new=new)


def let_in(tenant: Tenant, task: Task, at: int, *, new: bool = False) -> Decisions:
    """Have a task that waits again go to where it is let in, or end; it rings at nobody yet."""
    while (
        task.submitted.task_id in tenant.tasks
        and (cause := overflow.shut_out(tenant, task, new=new)) is not None
    ):
        yield from overflow.overflow(tenant, task, cause, at)
        new = True


def complete(tenant: Tenant, task: Task, at: int) -> Decisions:
    """Go on with a held task of which the work is over, perhaps not for the first time."""
    if task.after_service is not None:
        return
    agent = tenant.agents[task.agent_id]
    over = after_service.over(tenant, task, at)
    yield over
    if isinstance(over, Completed):
        yield from find_tasks(tenant, agent, at)


def call_off(tenant: Tenant, task: Task, end: OfferEnd, at: int) -> Decisions:
    """End what nobody holds; where it rang, it ends so."""
    submitted = task.submitted
    rung = sorted(task.offers)
    yield from closed(task, rung, end)
    yield Cancelled(submitted.tenant_id, submitted.task_id, submitted.queue_id, task.revision + 1)
    yield from find_work(tenant, [tenant.agents[agent_id] for agent_id in rung], at)


def refused(
    tenant: Tenant, task: Task, agent_ids: Sequence[str], end: OfferEnd, at: int
) -> Decisions:
    """Go on without those who did not take it."""
    yield from closed(task, agent_ids, end)
    yield from ring_on(tenant, task, at)
    yield from find_work(tenant, [tenant.agents[it] for it in agent_ids], at)


def hand_back(tenant: Tenant, task: Task, agent_id: str, at: int) -> Decisions:
    """End an agent's offer, of which they refused nothing; the task waits unless it rings on."""
    yield from closed(task, [agent_id], OfferEnd.RESCINDED)
    if not task.rings:
        yield again(tenant, task, at)


def ring_on(tenant: Tenant, task: Task, at: int) -> Decisions:
    """Go on after an offer ended: at the others of the group, or as a task that waits again."""
    if not task.rings:
        yield again(tenant, task, at)
        yield from place(tenant, task, at)


def in_order(tenant: Tenant, tasks: Iterable[Task], at: int) -> list[Task]:
    """List tasks as the lines would: placed together, nothing overtakes."""
    return sorted(tasks, key=lambda task: tenant.precedence(task, at))


def offer(tenant: Tenant, task: Task, agent: Agent, at: int) -> Offered:
    submitted = task.submitted
    return Offered(
        submitted.tenant_id,
        submitted.task_id,
        submitted.queue_id,
        task.revision + 1,
        agent.id,
        at + tenant.rings_for(task),
        submitted.group_id,
        tuple(sorted(task.offers)),
        submitted.channel,
    )


def assigned(task: Task, agent_id: str, *, by: str = "") -> Assigned:
    it = task.submitted
    return Assigned(
        it.tenant_id, it.task_id, it.queue_id, task.revision + 1, agent_id, by, it.channel
    )


def closed(task: Task, agent_ids: Iterable[str], end: OfferEnd) -> Decisions:
    """End the offers to some."""
    submitted = task.submitted
    for agent_id in agent_ids:
        others = {other: until for other, until in task.offers.items() if other != agent_id}
        yield OfferClosed(
            submitted.tenant_id,
            submitted.task_id,
            submitted.queue_id,
            task.revision + 1,
            agent_id,
            end,
            tuple(sorted(others)),
            min(others.values(), default=0),
            submitted.channel,
        )


def again(tenant: Tenant, task: Task, at: int) -> Queued:
    return overflow.moved(tenant, task, overflow.home(tenant, task), at)


def acted(actor_id: str, action: Action, task: Task, at: int) -> Acted:
    """Write down what somebody did to a task that another holds, or nobody."""
    it = task.submitted
    return Acted(it.tenant_id, actor_id, action, at, it.queue_id, it.task_id, task.agent_id)


def widened(tenant: Tenant, task: Task, at: int, kept_for: str = "") -> Widened:
    submitted = task.submitted
    relaxed = steps_due(tenant.queue(submitted.queue_id), submitted.enqueued_at, at)
    return Widened(submitted.tenant_id, submitted.task_id, relaxed, kept_for)


def answer(it: Command, reason: Reason, count: int = 0) -> Answered:
    return Answered(it.tenant_id, it.request_id, reason, it.reply_to, count, it.fingerprint)


def once(rule: Rule) -> Rule:
    """Answer a repeated command as the first time, without doing it again.

    Another command under its id is no repetition, and is refused.
    """

    def repeated_or_ruled(tenant: Tenant, it: Command, at: int) -> Decisions:
        before = tenant.answers.get(it.request_id) if it.request_id else None
        if before is None:
            return rule(tenant, it, at)
        if it.fingerprint and before.fingerprint not in {b"", it.fingerprint}:
            return iter((answer(it, Reason.REQUEST_ID_REUSED),))
        first = answer(it, before.reason, before.count)
        return iter((replace(first, fingerprint=before.fingerprint),))

    return repeated_or_ruled
