"""What an agent does when the work with the customer is over; their capacity is held meanwhile."""

from .decisions import AfterServiceStarted, Completed, Reason
from .inputs import ExtendAfterService, FinishAfterService, Role
from .parties import Task
from .policy import AfterServiceMode
from .tenant import Tenant


def over(tenant: Tenant, task: Task, at: int) -> AfterServiceStarted | Completed:
    """Say what follows when the work of a held task is over."""
    after = tenant.queue(task.submitted.queue_id).policy.after_service
    if after.mode is AfterServiceMode.OFF:
        return finished(task)
    limited = after.mode is AfterServiceMode.LIMITED
    return _started(task, at + after.limit_ms if limited else 0)


def finished(task: Task, *, forced: bool = False) -> Completed:
    """Say that a held task is done, and its capacity free."""
    it = task.submitted
    return Completed(
        it.tenant_id, it.task_id, it.queue_id, task.revision + 1, task.agent_id, forced, it.channel
    )


def extended(tenant: Tenant, task: Task) -> AfterServiceStarted | None:
    """Say how long a running after-service lasts once it is extended; None where it cannot be."""
    extension = tenant.queue(task.submitted.queue_id).policy.after_service.extension_ms
    span = task.after_service
    if span is None or not span.ends_at or not extension:
        return None
    return _started(task, span.ends_at + extension)


def refused(
    tenant: Tenant, task: Task | None, it: FinishAfterService | ExtendAfterService
) -> Reason | None:
    """Say why somebody may not finish or extend."""
    if task is None:
        known = it.task_id in tenant.ended
        return Reason.TASK_NOT_IN_AFTER_SERVICE if known else Reason.TASK_NOT_FOUND
    if task.after_service is None:
        return Reason.TASK_NOT_IN_AFTER_SERVICE
    match it:
        case FinishAfterService(actor_id=actor_id, actor_role=role):
            theirs = actor_id == task.agent_id or role >= Role.SUPERVISOR
        case ExtendAfterService(agent_id=agent_id):
            theirs = agent_id == task.agent_id
    return None if theirs else Reason.TASK_NOT_YOURS


def _started(task: Task, ends_at: int) -> AfterServiceStarted:
    it = task.submitted
    return AfterServiceStarted(
        it.tenant_id, it.task_id, it.queue_id, task.revision + 1, task.agent_id, ends_at, it.channel
    )
