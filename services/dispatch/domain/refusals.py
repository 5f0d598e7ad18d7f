"""Who refused a task, and when it may ring at them again.

Whoever declined a task, ignored it or could not be reached is not asked until a pause is over; then
they come after those who were not asked, the least recently asked first. Choosing Ready again ends
the pause at once, and forgets that they refused. Who refused before so many others is forgotten as
well: otherwise each task would end up with a memory of every agent.
"""

from collections.abc import Iterable

from .inputs import TaskSubmitted
from .parties import Agent, Task
from .tenant import Tenant

REMEMBERED = 32
"""Of those who refused a task and may be asked again, the latest so many come last."""


def pause_ms(tenant: Tenant, submitted: TaskSubmitted) -> int:
    """Return how long nobody is asked again, as the task's group or queue says."""
    group = tenant.groups.configured.get(submitted.group_id)
    return (group or tenant.queue(submitted.queue_id)).ask_again_after_ms


def asked_again_at(tenant: Tenant, task: Task, agent_id: str) -> int:
    """Return when the pause of somebody who is excluded is over; 0: a pause does not end it."""
    refused_at = task.refused[agent_id]
    return refused_at and refused_at + pause_ms(tenant, task.submitted)


def asks_again_at(tenant: Tenant, task: Task) -> int:
    """Return when the first pause is over of a task that looks for somebody; 0: none will be."""
    if not task.excluded or not _looks(tenant, task):
        return 0
    moments = (asked_again_at(tenant, task, agent_id) for agent_id in task.excluded)
    return min((moment for moment in moments if moment), default=0)


def over(tenant: Tenant, agent: Agent, at: int) -> tuple[str, ...]:
    """List what looks for somebody and may ring at an agent again, by id."""
    return tuple(
        task_id
        for task_id, task in sorted(agent.refused.items())
        if agent.id in task.excluded
        and _looks(tenant, task)
        and _over(task, agent.id, at - pause_ms(tenant, task.submitted))
    )


def still_excluded(
    tenant: Tenant, task: Task, at: int, submitted: TaskSubmitted | None = None
) -> tuple[str, ...]:
    """Return who must not get a task that waits again, perhaps where `submitted` says."""
    if not task.excluded:
        return ()
    since = at - pause_ms(tenant, submitted or task.submitted)
    return tuple(agent_id for agent_id in task.excluded if not _over(task, agent_id, since))


# What folds do


def refuse(tenant: Tenant, task: Task, agent: Agent, at: int) -> None:
    """Note that an agent refused a task; 0: that it was taken from them for good."""
    task.refused[agent.id] = at
    agent.refused[task.submitted.task_id] = task
    exclude(tenant, task, {*task.excluded, agent.id})


def forget(tenant: Tenant, task: Task, agent: Agent) -> None:
    """Let a task know nothing more of what an agent refused."""
    if agent.refused.pop(task.submitted.task_id, None) is not None:
        del task.refused[agent.id]
        exclude(tenant, task, (it for it in task.excluded if it != agent.id))


def exclude(tenant: Tenant, task: Task, agent_ids: Iterable[str]) -> None:
    """Set who must not get a task now; of the others remember who refused it lately."""
    task.excluded = tuple(sorted(agent_ids))
    if len(task.refused) - len(task.excluded) > REMEMBERED:
        others = task.refused.keys() - set(task.excluded)
        lately = sorted(others, key=lambda it: (task.refused[it], it))
        for agent_id in lately[:-REMEMBERED]:
            del task.refused[agent_id]
            del tenant.agents[agent_id].refused[task.submitted.task_id]


def _over(task: Task, agent_id: str, since: int) -> bool:
    """Tell whether somebody refused a task before, and not for good."""
    return 0 < task.refused[agent_id] <= since


def _looks(tenant: Tenant, task: Task) -> bool:
    """Tell whether a task is to ring as soon as it can, at one more or at all."""
    if task.rings:
        return bool(task.submitted.group_id) and tenant.groups.at_once(task) is None
    return task.waits
