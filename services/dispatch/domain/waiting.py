"""What ends a wait other than an agent: too long, nobody there, closing time."""

from collections.abc import Iterable

from . import overflow
from .decisions import OpeningsSet, QueueTurned
from .following import Decisions, place
from .hours import turn
from .inputs import OpeningsForeseen
from .moments import leaves_at
from .tenant import Tenant
from .timers import HoursTurn, WaitedTooLong


def waited_too_long(tenant: Tenant, it: WaitedTooLong, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is not None and 0 < leaves_at(tenant, task) <= at:
        yield from place(tenant, task, at)


def openings_foreseen(tenant: Tenant, it: OpeningsForeseen, at: int) -> Decisions:
    queue, known = tenant.queue(it.queue_id), tenant.hours.get(it.queue_id)
    if queue.policy.hours is None or queue.version != it.version:
        return
    if known is None or known.openings.version != it.version or known.openings.until < it.until:
        yield OpeningsSet(it)
        yield from _turn(tenant, it, at)


def hours_turn(tenant: Tenant, it: HoursTurn, at: int) -> Decisions:
    hours = tenant.hours.get(it.queue_id)
    if hours is not None and 0 < hours.turns_at <= at:
        yield from _turn(tenant, hours.openings, at)


def let_go(tenant: Tenant, queue_ids: Iterable[str], at: int) -> Decisions:
    """Go on with those who cannot wait in a queue any more."""
    for queue_id in queue_ids:
        for task_id in overflow.leaving(tenant, queue_id):
            yield from place(tenant, tenant.tasks[task_id], at)


def _turn(tenant: Tenant, it: OpeningsForeseen, at: int) -> Decisions:
    """Be open or closed; who waits at closing time goes elsewhere."""
    is_open, turns_at = turn(it.openings, it.until, at)
    yield QueueTurned(it.tenant_id, it.queue_id, is_open, turns_at)
    yield from let_go(tenant, (it.queue_id,), at)
