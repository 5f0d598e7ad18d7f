"""A state out of what was saved of it."""

from .inputs import QueueMode
from .moments import TASK_TIMERS, due_at
from .refusals import exclude
from .state import State
from .tenant import Tenant
from .timers import HoursTurn


def restored(tenants: dict[str, Tenant], at: int, order: int) -> State:
    """Build a state from what a snapshot holds: everything derived is made anew."""
    state = State(tenants, at, order)
    for tenant in tenants.values():
        for queue in tenant.queues.values():
            tenant.index.select(queue)
        for queue_id, mode in tenant.modes.items():
            tenant.index.pause(queue_id, paused=mode is QueueMode.PAUSED)
        for task in tenant.tasks.values():
            for agent_id in task.refused:
                tenant.agent(agent_id).refused[task.submitted.task_id] = task
            exclude(tenant, task, task.excluded)  # once, more of those who refused were remembered
            for agent_id in (task.agent_id,) if task.held else task.offers:
                tenant.agent(agent_id).put(task)
            if not task.held and (task.submitted.group_id or not task.rings):
                tenant.line_up(task)
        for agent in tenant.agents.values():
            tenant.place(agent)
        timers = [kind(tenant.id, task_id) for task_id in tenant.tasks for kind in TASK_TIMERS]
        for it in (*timers, *(HoursTurn(tenant.id, queue_id) for queue_id in tenant.hours)):
            state.timers.set(it, due_at(tenant, it))
    return state
