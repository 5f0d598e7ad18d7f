"""When each kind of timer is due, read from the state; 0 when it is not."""

from collections.abc import Callable
from typing import Any

from .parties import Task
from .refusals import asks_again_at
from .tenant import Tenant
from .timers import (
    AfterServiceRanOut,
    AskAgainDue,
    HoursTurn,
    OfferRangOut,
    Timer,
    WaitedTooLong,
    WideningDue,
)

TASK_TIMERS = (OfferRangOut, WaitedTooLong, WideningDue, AskAgainDue, AfterServiceRanOut)
"""The timers that a task may have."""


def due_at(tenant: Tenant, it: Timer) -> int:
    return _MOMENTS[type(it)](tenant, it)


def leaves_at(tenant: Tenant, task: Task) -> int:
    """Return when a waiting task has waited too long for its queue; 0 for never."""
    queue_id = task.submitted.queue_id
    max_wait_ms = tenant.queue(queue_id).policy.max_wait_ms
    stays = not max_wait_ms or not task.waits or queue_id in task.overflowed
    return 0 if stays else max(1, task.waits_since + max_wait_ms)


def _offer_expires_at(tenant: Tenant, it: OfferRangOut) -> int:
    task = tenant.tasks.get(it.task_id)
    return 0 if task is None else task.expires_at


def _waits_until(tenant: Tenant, it: WaitedTooLong) -> int:
    task = tenant.tasks.get(it.task_id)
    return 0 if task is None else leaves_at(tenant, task)


def _widens_at(tenant: Tenant, it: WideningDue) -> int:
    task = tenant.tasks.get(it.task_id)
    return 0 if task is None else task.widens_at


def _asks_again_at(tenant: Tenant, it: AskAgainDue) -> int:
    task = tenant.tasks.get(it.task_id)
    return 0 if task is None else asks_again_at(tenant, task)


def _after_service_ends_at(tenant: Tenant, it: AfterServiceRanOut) -> int:
    task = tenant.tasks.get(it.task_id)
    return 0 if task is None or task.after_service is None else task.after_service.ends_at


def _turns_at(tenant: Tenant, it: HoursTurn) -> int:
    hours = tenant.hours.get(it.queue_id)
    return 0 if hours is None else hours.turns_at


_MOMENTS: dict[type[Any], Callable[[Tenant, Any], int]] = {
    OfferRangOut: _offer_expires_at,
    WaitedTooLong: _waits_until,
    WideningDue: _widens_at,
    AskAgainDue: _asks_again_at,
    AfterServiceRanOut: _after_service_ends_at,
    HoursTurn: _turns_at,
}
