"""What services and supervisors ask on behalf of whoever waits: begin, give up, ring elsewhere."""

from dataclasses import replace

from .decisions import Action, OfferEnd, Queued, Reason
from .following import Decisions, acted, answer, call_off, place, refused
from .inputs import SERVICE, CancelTask, ReportUnreachable, Role, SubmitTask
from .sticky import keeper_of
from .supervision import supervises, supervises_task
from .tenant import Tenant


def submit_task(tenant: Tenant, it: SubmitTask, at: int) -> Decisions:
    """Begin a task, once: a second time is answered as the first and changes nothing."""
    if it.task_id in tenant.tasks or it.task_id in tenant.ended:
        yield answer(it, Reason.DONE)
    elif (no := _not_submittable(tenant, it)) is not None:
        yield answer(it, no)
    else:
        task = replace(it.task, enqueued_at=at)
        kept_for, kept_until = keeper_of(tenant, task, at)
        yield Queued(task, 1, (), kept_for, kept_until)
        yield from place(tenant, tenant.tasks[it.task_id], at, new=True)
        yield answer(it, Reason.DONE)


def cancel_task(tenant: Tenant, it: CancelTask, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None:
        ended = it.task_id in tenant.ended
        yield answer(it, Reason.DONE if ended else Reason.TASK_NOT_FOUND)
    elif not supervises_task(tenant, it.actor_id, it.actor_role, task):
        yield answer(it, Reason.TASK_NOT_IN_YOUR_QUEUES)
    elif task.held:
        yield answer(it, Reason.TASK_ALREADY_ASSIGNED)
    else:
        end = OfferEnd.CALLER_GAVE_UP
        if not it.actor_id.startswith(SERVICE):
            yield acted(it.actor_id, Action.TASK_CANCELLED, task, at)
            end = OfferEnd.CANCELLED
        yield from call_off(tenant, task, end, at)
        yield answer(it, Reason.DONE)


def report_unreachable(tenant: Tenant, it: ReportUnreachable, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None and it.task_id not in tenant.ended:
        yield answer(it, Reason.TASK_NOT_FOUND)
    elif task is None or it.agent_id not in task.offers:
        yield answer(it, Reason.OFFER_NOT_YOURS)
    else:
        yield from refused(tenant, task, [it.agent_id], OfferEnd.UNREACHABLE, at)
        yield answer(it, Reason.DONE)


def _not_submittable(tenant: Tenant, it: SubmitTask) -> Reason | None:
    task = it.task
    if not task.group_id:
        if not tenant.has_queue(task.queue_id):
            return Reason.QUEUE_NOT_FOUND
        if not supervises(tenant, it.actor_id, it.actor_role, task.queue_id):
            return Reason.QUEUE_NOT_YOURS
        return None
    group = tenant.groups.configured.get(task.group_id)
    if group is None or group.removed or ("", task.group_id) in tenant.vacated:
        return Reason.GROUP_NOT_FOUND
    belongs = it.actor_id in tenant.groups.members(task.group_id)
    if it.actor_role < Role.SUPERVISOR or (it.actor_role is Role.SUPERVISOR and not belongs):
        return Reason.GROUP_NOT_YOURS
    return None
