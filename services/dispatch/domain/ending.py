"""How held work ends, and what is taken from an agent who is not there any more or has changed."""

from . import after_service
from .decisions import Action, Reason
from .following import (
    Decisions,
    acted,
    again,
    answer,
    find_tasks,
    hand_back,
    in_order,
    place_all,
    widened,
)
from .inputs import ExtendAfterService, FinishAfterService
from .parties import Agent, Task
from .policy import OnAgentLost
from .sticky import in_vain
from .tenant import Tenant
from .timers import AfterServiceRanOut


def finish_after_service(tenant: Tenant, it: FinishAfterService, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if (no := after_service.refused(tenant, task, it)) is not None or task is None:
        yield answer(it, no or Reason.TASK_NOT_FOUND)
        return
    if it.actor_id != task.agent_id:
        yield acted(it.actor_id, Action.AFTER_SERVICE_FINISHED, task, at)
    yield from _finish(tenant, task, at)
    yield answer(it, Reason.DONE)


def extend_after_service(tenant: Tenant, it: ExtendAfterService, _at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if (no := after_service.refused(tenant, task, it)) is not None or task is None:
        yield answer(it, no or Reason.TASK_NOT_FOUND)
        return
    extended = after_service.extended(tenant, task)
    if extended is not None:
        yield extended
    yield answer(it, Reason.AFTER_SERVICE_NOT_EXTENDABLE if extended is None else Reason.DONE)


def after_service_ran_out(tenant: Tenant, it: AfterServiceRanOut, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    span = task.after_service if task is not None else None
    if task is not None and span is not None and 0 < span.ends_at <= at:
        yield from _finish(tenant, task, at, forced=True)


def agent_changed(tenant: Tenant, agent: Agent, at: int, *, gone: bool) -> Decisions:
    """Go on when what an agent does, or wants to do, has changed. `gone`: they hold nothing more.

    First all that is not theirs any more waits again, then they take what has waited for them,
    then the rest finds its place. It may overflow to them again, and nothing overtakes on the way.
    """
    theirs = in_order(tenant, agent.tasks.values(), at)
    rung = [task for task in theirs if task.rings and not _stays(tenant, agent, task)]
    kept = [task for task in in_order(tenant, agent.kept.values(), at) if in_vain(tenant, task)]
    held = [task for task in theirs if gone and task.held]
    for task in rung:
        yield from hand_back(tenant, task, agent.id, at)
    for task in kept:
        yield widened(tenant, task, at)
    for task in held:
        yield from _lost(tenant, task, at, for_good=agent.config.removed)
    yield from find_tasks(tenant, agent, at)
    yield from place_all(tenant, (*rung, *kept, *held), at)


def _stays(tenant: Tenant, agent: Agent, task: Task) -> bool:
    """Tell whether what rings at an agent may go on ringing there."""
    return tenant.reaches(task, agent) and agent.takes(task.load)


def _lost(tenant: Tenant, task: Task, at: int, *, for_good: bool) -> Decisions:
    """Give up a task whose holder is not there any more, as its queue says."""
    policy = tenant.queue(task.submitted.queue_id).policy
    if task.after_service is not None:
        yield after_service.finished(task)
    elif for_good or policy.on_agent_lost is OnAgentLost.REQUEUE:
        yield again(tenant, task, at)


def _finish(tenant: Tenant, task: Task, at: int, *, forced: bool = False) -> Decisions:
    agent = tenant.agents[task.agent_id]
    yield after_service.finished(task, forced=forced)
    yield from find_tasks(tenant, agent, at)
