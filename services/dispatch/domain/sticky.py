"""For whom a task is kept: the agent whom the customer knows."""

from collections.abc import Iterator

from .candidates import Filter, removed_for_good
from .demand import Demand, demand_of, steps_due
from .inputs import Sticky, StickyTo, TaskSubmitted
from .parties import Task
from .tenant import Tenant

NOBODY = "", 0

CLOSE_HEARD_MS = 1_000
"""How long a task waits at least for who was at what it goes on with.

The end of that one frees them, and comes by another way: perhaps a little later.
"""


def keeper_of(tenant: Tenant, it: TaskSubmitted, at: int) -> tuple[str, int]:
    """Return for whom a new task is kept and until when; nobody when it is for everybody."""
    queue = tenant.queue(it.queue_id)
    if it.group_id or (queue.sticky.to is StickyTo.NOBODY and not it.last_agent_id):
        return NOBODY
    demand = demand_of(it, queue, steps_due(queue, it.enqueued_at, at))
    for agent_id, hold_ms in _meant(tenant, it, queue.sticky, at):
        if _worth_waiting_for(tenant, agent_id, demand):
            return agent_id, at + hold_ms
    return NOBODY


def _meant(tenant: Tenant, it: TaskSubmitted, sticky: Sticky, at: int) -> Iterator[tuple[str, int]]:
    """Name who is asked first, and for how long: who was at it, and then as the queue says."""
    yield it.last_agent_id, max(sticky.hold_ms, CLOSE_HEARD_MS)
    if sticky.to is StickyTo.LAST and it.contact_id:
        known = tenant.last_agents.of(it.contact_id, since=at - sticky.window_ms)
        yield known, sticky.hold_ms
    if sticky.to is not StickyTo.NOBODY:
        yield it.preferred_agent_id, sticky.hold_ms


def in_vain(tenant: Tenant, task: Task) -> bool:
    """Tell whether a task is kept for somebody who will not take it."""
    return task.demand is not None and not _worth_waiting_for(tenant, task.kept_for, task.demand)


def _worth_waiting_for(tenant: Tenant, agent_id: str, demand: Demand) -> bool:
    agent = tenant.agents.get(agent_id)
    return (
        agent is not None
        and agent.presence.connected
        and removed_for_good(agent, demand) is Filter.NONE
    )
