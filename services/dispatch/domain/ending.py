"""How held work ends, or is taken from an agent who is no longer there."""

from . import after_service
from .decisions import Reason
from .following import Decisions, again, answer, find_tasks, place
from .inputs import ExtendAfterService, FinishAfterService
from .parties import Task
from .policy import OnAgentLost
from .tenant import Tenant
from .timers import AfterServiceRanOut


def finish_after_service(tenant: Tenant, it: FinishAfterService, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if (no := after_service.refused(tenant, task, it)) is not None or task is None:
        yield answer(it, no or Reason.TASK_NOT_FOUND)
        return
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


def lost(tenant: Tenant, task: Task, at: int, *, for_good: bool = False) -> Decisions:
    """Go on with a task whose holder is not there any more, as its queue says."""
    policy = tenant.queue(task.submitted.queue_id).policy
    if task.after_service is not None:
        yield after_service.finished(task)
    elif for_good or policy.on_agent_lost is OnAgentLost.REQUEUE:
        yield again(task)
        yield from place(tenant, task, at)


def _finish(tenant: Tenant, task: Task, at: int, *, forced: bool = False) -> Decisions:
    agent = tenant.agents[task.agent_id]
    yield after_service.finished(task, forced=forced)
    yield from find_tasks(tenant, agent, at)
