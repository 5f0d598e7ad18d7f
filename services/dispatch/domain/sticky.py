"""For whom a task is kept: the agent whom the customer knows."""

from .candidates import Filter, removed_for_good
from .demand import Demand, demand_of, steps_due
from .inputs import StickyTo, TaskSubmitted
from .parties import Task
from .tenant import Tenant

NOBODY = "", 0


def keeper_of(tenant: Tenant, it: TaskSubmitted, at: int) -> tuple[str, int]:
    """Return for whom a new task is kept and until when; nobody when it is for everybody."""
    queue = tenant.queue(it.queue_id)
    sticky = queue.sticky
    if sticky.to is StickyTo.NOBODY or it.group_id:
        return NOBODY
    meant = [it.preferred_agent_id]
    if sticky.to is StickyTo.LAST and it.contact_id:
        meant.insert(0, tenant.last_agents.of(it.contact_id, since=at - sticky.window_ms))
    demand = demand_of(it, queue, steps_due(queue, it.enqueued_at, at))
    for agent_id in meant:
        if _worth_waiting_for(tenant, agent_id, demand):
            return agent_id, at + sticky.hold_ms
    return NOBODY


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
