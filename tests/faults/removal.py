"""What becomes of work whose queue or group is removed, judged on the ledger by brute force.

Nothing of services.dispatch is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from tests.faults.book import HELD, Book, Key, Task

if TYPE_CHECKING:
    from tests.faults.ledger import Ledger

MOVED_AT_ONCE = 1000
REMOVED = {
    public.SupervisorActed.ACTION_QUEUE_REMOVED,
    public.SupervisorActed.ACTION_GROUP_REMOVED,
}


def at(book: Book, tenant_id: str, queue_id: str, group_id: str) -> Iterator[tuple[Key, Task]]:
    """Walk what is in a queue, or at a group."""
    for key, task in book.tasks.items():
        of_group = task.submitted.group_id
        there = (
            of_group == group_id if group_id or of_group else task.submitted.queue_id == queue_id
        )
        if key[0] == tenant_id and there:
            yield key, task


def vacated(ledger: "Ledger", it: wire.Vacated) -> None:
    """Have what is held be of the other queue from now on."""
    known = ledger.vacated.get((it.tenant_id, it.queue_id, it.group_id))
    held = [
        task for _, task in at(ledger, it.tenant_id, it.queue_id, it.group_id) if task.place == HELD
    ]
    ledger.insist(known != it or bool(held), f"{it.queue_id}{it.group_id} is vacated for nothing")
    there = wire.TaskSubmitted(queue_id=it.target_queue_id)
    leads_on = led_on(ledger, it.tenant_id, there) != there
    ledger.insist(not leads_on, f"{it.queue_id}{it.group_id} goes where nothing stays")
    ledger.vacated[it.tenant_id, it.queue_id, it.group_id] = it
    for task in held:
        task.submitted = led_on(ledger, it.tenant_id, task.submitted)


def group_set(ledger: "Ledger", it: wire.GroupSet) -> None:
    """Take a group as it is now. What waits at one that is removed has its queue."""
    group_id = it.group.group_id
    ledger.groups[it.tenant_id, group_id] = it.group
    put(ledger, it.tenant_id, "", group_id, it.group)
    for key, task in at(ledger, it.tenant_id, "", group_id):
        if home(ledger, it.tenant_id, task):
            ledger.dissolved.add(key)


def home(book: Book, tenant_id: str, task: Task) -> str:
    """Return the queue to which a task goes back whose group is no more; empty: it stays."""
    own = wire.TaskSubmitted(queue_id=task.submitted.queue_id)
    queue_id = led_on(book, tenant_id, own).queue_id
    group, queue = book.group(tenant_id, task), book.queues.get((tenant_id, queue_id))
    gone = group is not None and group.removed
    return queue_id if gone and queue is not None and not queue.removed else ""


def put(
    book: Book,
    tenant_id: str,
    queue_id: str,
    group_id: str,
    now: wire.QueueConfigured | wire.GroupConfigured,
) -> None:
    """Let what is put again, or made anew, keep its work."""
    key = tenant_id, queue_id, group_id
    before = book.vacated.get(key)
    if before is not None and now.version > before.version and not now.removed:
        del book.vacated[key]


def led_on(book: Book, tenant_id: str, submitted: wire.TaskSubmitted) -> wire.TaskSubmitted:
    """Return a task as it is where it comes to."""
    there = wire.TaskSubmitted()
    there.CopyFrom(submitted)
    while True:
        queue_id = "" if there.group_id else there.queue_id
        gone = book.vacated.get((tenant_id, queue_id, there.group_id))
        if gone is None:
            return there
        there.queue_id, there.group_id = gone.target_queue_id, ""


def way(book: Book, tenant_id: str, kind: str, name: str) -> tuple[str, str]:
    """Return where an overflow leads: a kind of target, and its name."""
    if kind not in {"queue_id", "group_id"}:
        return kind, name
    by_group = kind == "group_id"
    meant = wire.TaskSubmitted(queue_id="" if by_group else name, group_id=name if by_group else "")
    there = led_on(book, tenant_id, meant)
    return (kind, name) if there == meant else ("queue_id", there.queue_id)


def act_on(ledger: "Ledger", tenant_id: str, task: Task) -> wire.Acted | None:
    """Return the removal in this step of where a task is that nobody holds."""
    queue_id = "" if task.submitted.group_id else task.submitted.queue_id
    here = tenant_id, queue_id, task.submitted.group_id
    for act in ledger.acts:
        if act.action in REMOVED and move(act)[:3] == here and task.place != HELD:
            return act
    return None


def move(act: wire.Acted) -> tuple[str, ...]:
    """Name a move by the removal that it is part of."""
    return act.tenant_id, act.queue_id, act.group_id, act.target_queue_id


def has_emptied(ledger: "Ledger", act: wire.Acted) -> None:
    """Check that a removal moved all that one step may."""
    ledger.insist(act.tasks <= MOVED_AT_ONCE, "a removal moves too much at once")
    left = [key for key, task in at(ledger, *move(act)[:3]) if task.place != HELD]
    emptied = act.tasks == MOVED_AT_ONCE or not left
    ledger.insist(emptied, f"{left} are left where everything was to be moved")


def asked(book: Book, it: wire.Input) -> tuple[set[str], str]:
    """Return the answers to the order that are right, and what it must show when it is done."""
    order, tenant_id = it.vacate, it.tenant_id
    target = book.queues.get((tenant_id, order.target_queue_id))
    leaves = (tenant_id, order.target_queue_id, "") in book.vacated
    if target is None or target.removed or leaves or order.target_queue_id == order.queue_id:
        return {"QUEUE_NOT_FOUND"}, ""
    known = (
        book.groups.get((tenant_id, order.group_id))
        if order.group_id
        else book.queues.get((tenant_id, order.queue_id))
    )
    if known is not None and known.version > order.version:
        return {"PUT_MEANWHILE"}, ""
    before = book.vacated.get((tenant_id, order.queue_id, order.group_id))
    said = (order.version, order.target_queue_id)
    begins = before is None or (before.version, before.target_queue_id) != said
    there = [task for _, task in at(book, tenant_id, order.queue_id, order.group_id)]
    unheld = any(task.place != HELD for task in there)
    held = any(task.place == HELD for task in there)
    return {""}, "vacated" if begins or held else "acted" if unheld else ""
