"""When a task cannot stay in its queue, and where it goes.

A task leaves a queue by overflow once. Where it would have to leave again, it stays: as
voicemail. And a queue it could not stay in is not where it goes: it ends. So every chain of
overflows comes to an end.
"""

from collections.abc import Iterator
from dataclasses import replace

from .decisions import Cancelled, Overflowed, Queued
from .inputs import Channel, QueueMode, TaskSubmitted
from .moments import leaves_at
from .parties import Task
from .policy import Overflow, OverflowCause, OverflowTo
from .refusals import still_excluded
from .tenant import Tenant

END = Overflow()


def shut_out(tenant: Tenant, task: Task, *, new: bool) -> OverflowCause | None:
    """Say why a task cannot stay even if there is an agent: it comes too late, or is not let in."""
    queue_id = task.submitted.queue_id
    if _stays(task):
        return None
    if _closed(tenant, queue_id):
        return OverflowCause.CLOSED_HOURS
    if new and tenant.modes.get(queue_id) is QueueMode.DRAINING:
        return OverflowCause.QUEUE_DRAINING
    return None


def cause_for(tenant: Tenant, task: Task, at: int, *, new: bool) -> OverflowCause | None:
    """Say why a task cannot stay for which there is no agent now. `new`: it has just come."""
    queue_id = task.submitted.queue_id
    if 0 < leaves_at(tenant, task) <= at:
        return OverflowCause.WAITED_TOO_LONG
    if _stays(task):
        return None
    policy = tenant.queue(queue_id).policy
    if policy.overflow_when_nobody and not tenant.has_anybody_for(task):
        return OverflowCause.NOBODY_THERE
    if new and 0 < policy.max_waiting < tenant.lines.length(queue_id):
        return OverflowCause.QUEUE_FULL
    return None


def leaving(tenant: Tenant, queue_id: str) -> list[str]:
    """List those who cannot wait in a queue any more, first first."""
    closed = _closed(tenant, queue_id)
    if not closed and not tenant.queue(queue_id).policy.overflow_when_nobody:
        return []
    entries = sorted(
        entry
        for demand, of_demand in tenant.index.waiting(queue_id)
        if closed or not tenant.staff.has_anybody_for(demand)
        for entry in of_demand
    )
    return [task_id for _, _, task_id, _, task in entries if not _stays(task)]


def _stays(task: Task) -> bool:
    """Tell whether it is of no matter to a task that its queue is closed, deserted or full."""
    return bool(task.submitted.group_id) or task.submitted.queue_id in task.overflowed


def _closed(tenant: Tenant, queue_id: str) -> bool:
    hours = tenant.hours.get(queue_id)
    return hours is not None and not hours.is_open


def overflow(
    tenant: Tenant, task: Task, cause: OverflowCause, at: int
) -> Iterator[Overflowed | Queued | Cancelled]:
    """Yield that the task leaves, and where it goes."""
    submitted = task.submitted
    where = _destination(tenant, task, cause)
    yield Overflowed(
        submitted.tenant_id, submitted.task_id, submitted.queue_id, task.revision + 1, cause, where
    )
    match where.to:
        case OverflowTo.QUEUE:
            yield moved(tenant, task, replace(submitted, queue_id=where.what, group_id=""), at)
        case OverflowTo.GROUP:
            yield moved(tenant, task, replace(submitted, group_id=where.what), at)
        case OverflowTo.VOICEMAIL:
            left_word = replace(submitted, channel=Channel.VOICEMAIL, group_id="")
            yield moved(tenant, task, left_word, at)
        case _:
            told = where.what if where.to is OverflowTo.MESSAGE else ""
            yield Cancelled(
                submitted.tenant_id,
                submitted.task_id,
                submitted.queue_id,
                task.revision + 1,
                told,
            )


def moved(tenant: Tenant, task: Task, there: TaskSubmitted, at: int) -> Queued:
    """Say that a task waits elsewhere, without those who do not get it there yet."""
    return Queued(there, task.revision + 1, still_excluded(tenant, task, at, there))


def home(tenant: Tenant, task: Task) -> TaskSubmitted:
    """Return where a task belongs that waits again: its queue, when its group is no more."""
    submitted = task.submitted
    if not tenant.groups.removed(submitted.group_id):
        return submitted
    there = tenant.led_on(replace(submitted, group_id=""))
    return there if tenant.has_queue(there.queue_id) else submitted


def _destination(tenant: Tenant, task: Task, cause: OverflowCause) -> Overflow:
    """Return where the queue sends the task; the end, where that leads nowhere."""
    queue_id = task.submitted.queue_id
    policy = tenant.queue(queue_id).policy
    where = policy.closed if cause is OverflowCause.CLOSED_HOURS else policy.overflow
    where = _led_on(tenant, where)
    if where.to is OverflowTo.QUEUE:
        leads_back = where.what in {queue_id, *task.overflowed}
        return where if tenant.has_queue(where.what) and not leads_back else END
    if where.to is OverflowTo.GROUP:
        group = tenant.groups.configured.get(where.what)
        return END if group is None or group.removed else where
    return where


def _led_on(tenant: Tenant, where: Overflow) -> Overflow:
    """Return the queue to which the work of a queue or group went that is being removed."""
    if where.to not in {OverflowTo.QUEUE, OverflowTo.GROUP}:
        return where
    of_queue = where.to is OverflowTo.QUEUE
    to = tenant.led_to(where.what, "") if of_queue else tenant.led_to("", where.what)
    return Overflow(OverflowTo.QUEUE, to) if to else where
