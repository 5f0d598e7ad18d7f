"""What becomes of work in a queue or at a group that is to be removed.

The directory marks it, then asks for this again and again until nothing is left, then removes it.
What comes meanwhile or later, because somebody had not heard of it, goes where the rest went.
"""

from itertools import islice

from . import overflow
from .decisions import Acted, Action, OfferEnd, Reason, Vacated
from .following import Decisions, answer, closed, in_order, settle
from .parties import Task
from .supervision import MOVED_AT_ONCE
from .tenant import Tenant
from .vacate import Vacate
from .value import value


@value
class WorkCount:
    """How many tasks a removal would leave without a place. After-service ends where it is."""

    waiting: int = 0
    ringing: int = 0
    in_service: int = 0


def count_work(tenant: Tenant, queue_id: str, group_id: str) -> WorkCount:
    there = list(tenant.tasks_at(queue_id, group_id))
    return WorkCount(
        waiting=sum(task.waits for task in there),
        ringing=sum(task.rings for task in there),
        in_service=sum(task.held and task.after_service is None for task in there),
    )


def vacate(tenant: Tenant, it: Vacate, at: int) -> Decisions:
    if (no := _not_vacated(tenant, it)) is not None:
        yield answer(it, no)
        return
    there = list(tenant.tasks_at(it.queue_id, it.group_id))
    unheld = in_order(tenant, (task for task in there if not task.held), at)
    moved = list(islice(unheld, MOVED_AT_ONCE))
    news = Vacated(it.tenant_id, it.queue_id, it.group_id, it.version, it.target_queue_id)
    begins = tenant.vacated.get((it.queue_id, it.group_id)) != news
    if begins or len(unheld) < len(there):
        yield news
    if begins or moved:
        yield _acted(it, len(moved), at)
    yield from _move(tenant, moved, at)
    yield answer(it, Reason.DONE, len(moved))


def _move(tenant: Tenant, moved: list[Task], at: int) -> Decisions:
    """Have tasks wait where the work goes, also those that ring."""
    freed = sorted({agent_id for task in moved for agent_id in task.offers})
    for task in moved:
        yield from closed(task, sorted(task.offers), OfferEnd.RESCINDED)
        yield overflow.moved(tenant, task, tenant.led_on(task.submitted), at)
    came = dict.fromkeys(moved, True)
    yield from settle(tenant, came, [tenant.agents[agent_id] for agent_id in freed], at)


def _acted(it: Vacate, tasks: int, at: int) -> Acted:
    return Acted(
        it.tenant_id,
        it.actor_id,
        Action.GROUP_REMOVED if it.group_id else Action.QUEUE_REMOVED,
        at,
        it.queue_id,
        target_queue_id=it.target_queue_id,
        tasks=tasks,
        group_id=it.group_id,
    )


def _not_vacated(tenant: Tenant, it: Vacate) -> Reason | None:
    if it.target_queue_id == it.queue_id or not tenant.has_queue(it.target_queue_id):
        return Reason.QUEUE_NOT_FOUND
    queue, group = tenant.queues.get(it.queue_id), tenant.groups.configured.get(it.group_id)
    known = group if it.group_id else queue
    if known is not None and known.version > it.version:
        return Reason.PUT_MEANWHILE
    return None
