"""What queues want done with their tasks as time goes by, judged on the ledger by brute force.

Overflow, hours and after-service: nothing of services.dispatch is used.
"""

from typing import TYPE_CHECKING

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from tests.faults import removal
from tests.faults.book import HELD, NOWHERE, WAITS, Task

if TYPE_CHECKING:
    from tests.faults.ledger import Ledger

NEVER_ENDS = 0


def target(overflow: directory.Overflow) -> tuple[str, str]:
    """Say where to, whatever way of saying `end` was chosen."""
    kind = overflow.WhichOneof("target") or "end"
    return kind, "" if kind in {"end", "voicemail"} else str(getattr(overflow, kind))


def policy(ledger: "Ledger", tenant_id: str, task: Task) -> wire.QueuePolicy:
    return ledger.queue(tenant_id, task.submitted.queue_id).policy


def leaves_at(ledger: "Ledger", tenant_id: str, task: Task) -> int | None:
    """Return when a waiting task has waited too long; None for never."""
    max_wait_ms = policy(ledger, tenant_id, task).max_wait_ms
    if not max_wait_ms or task.submitted.queue_id in task.overflowed:
        return None
    return task.waits_since + max_wait_ms


def closed(ledger: "Ledger", tenant_id: str, queue_id: str) -> bool:
    hours = ledger.hours.get((tenant_id, queue_id))
    return hours is not None and not hours.open


def in_line(task: Task, queue_id: str) -> bool:
    """Tell whether a task is one of a queue's own, and not one that rings at a group."""
    return task.submitted.queue_id == queue_id and not task.submitted.group_id


def shut(ledger: "Ledger", tenant_id: str, task: Task) -> bool:
    """Tell whether a task cannot ring because its queue is closed."""
    queue_id = task.submitted.queue_id
    stays = queue_id in task.overflowed or not in_line(task, queue_id)
    return not stays and closed(ledger, tenant_id, queue_id)


def drained(ledger: "Ledger", tenant_id: str, task: Task) -> bool:
    """Tell whether a task that comes is not let in."""
    queue_id = task.submitted.queue_id
    stays = queue_id in task.overflowed or not in_line(task, queue_id)
    mode = ledger.modes.get((tenant_id, queue_id))
    return not stays and mode == public.QUEUE_MODE_DRAINING


def deserted(ledger: "Ledger", tenant_id: str, task: Task) -> bool:
    there = any(
        ledger.could_take(tenant_id, agent, task)
        for (of, _), agent in ledger.agents.items()
        if of == tenant_id
    )
    return policy(ledger, tenant_id, task).overflow_when_nobody and not there


def openings_set(ledger: "Ledger", it: wire.OpeningsSet) -> None:
    key = (it.tenant_id, it.openings.queue_id)
    known = ledger.queue(*key).policy.HasField("business_hours")
    ledger.insist(known, "hours of no queue")
    ledger.openings[key] = it.openings


def queue_turned(ledger: "Ledger", it: wire.QueueTurned) -> None:
    openings = ledger.openings.get((it.tenant_id, it.queue_id))
    if openings is None:
        ledger.insist(False, f"{it.queue_id} turns and has no hours")
        return
    moments = [openings.until_ms]
    is_open = ledger.at >= openings.until_ms
    for span in openings.openings:
        moments += [span.opens_ms, span.closes_ms]
        is_open = is_open or span.opens_ms <= ledger.at < span.closes_ms
    ledger.insist(it.open == is_open, f"{it.queue_id} is open when it is closed, or the reverse")
    known = (moment for moment in moments if ledger.at < moment <= openings.until_ms)
    next_one = min(known, default=0)
    ledger.insist(it.turns_at_ms == next_one, f"{it.queue_id} turns at another moment")
    ledger.hours[it.tenant_id, it.queue_id] = it


def _full(ledger: "Ledger", tenant_id: str, queue_id: str) -> bool:
    length = sum(
        of == tenant_id and other.place == WAITS and in_line(other, queue_id)
        for (of, _), other in ledger.tasks.items()
    )
    return 0 < ledger.queue(tenant_id, queue_id).policy.max_waiting < length


def _too_long(ledger: "Ledger", tenant_id: str, task: Task) -> bool:
    due = leaves_at(ledger, tenant_id, task)
    return due is not None and due <= ledger.at


def may_stay(ledger: "Ledger", tenant_id: str, task: Task) -> bool:
    """Tell whether a task may go on waiting if nobody is free for it."""
    queue_id = task.submitted.queue_id
    key = (tenant_id, task.submitted.task_id)
    return not (
        _too_long(ledger, tenant_id, task)
        or deserted(ledger, tenant_id, task)
        or (key in ledger.newcomers and _full(ledger, tenant_id, queue_id))
    )


OUT_OF_REACH = {
    public.TaskOverflowed.CAUSE_CLOSED_HOURS,
    public.TaskOverflowed.CAUSE_QUEUE_DRAINING,
}
"""Causes that leave it of no matter who is free."""


def overflowed(ledger: "Ledger", it: wire.Overflowed) -> None:
    task = ledger.next_of(it, WAITS)
    if task is None:
        return
    tenant_id, queue_id = it.tenant_id, it.queue_id
    ledger.insist(queue_id not in task.overflowed, f"{it.task_id} overflows twice")
    rules = policy(ledger, tenant_id, task)
    true = {
        public.TaskOverflowed.CAUSE_WAITED_TOO_LONG: _too_long(ledger, tenant_id, task),
        public.TaskOverflowed.CAUSE_QUEUE_FULL: _full(ledger, tenant_id, queue_id),
        public.TaskOverflowed.CAUSE_NOBODY_THERE: deserted(ledger, tenant_id, task),
        public.TaskOverflowed.CAUSE_CLOSED_HOURS: closed(ledger, tenant_id, queue_id),
        public.TaskOverflowed.CAUSE_QUEUE_DRAINING: (
            drained(ledger, tenant_id, task) and (tenant_id, it.task_id) in ledger.newcomers
        ),
    }
    of_line = it.cause != public.TaskOverflowed.CAUSE_WAITED_TOO_LONG
    ledger.insist(in_line(task, queue_id) or not of_line, f"{it.task_id} rings at a group")
    ledger.insist(true.get(it.cause, False), f"{it.task_id} overflows without a cause: {it.cause}")
    if it.cause not in OUT_OF_REACH:
        free = [
            agent_id
            for of, agent_id in ledger.agents
            if of == tenant_id and ledger.suits(tenant_id, agent_id, task)
        ]
        ledger.insist(not free, f"{it.task_id} overflows and {free} are free")
        ledger.insist(not task.kept_for, f"{it.task_id} overflows and was for {task.kept_for} only")
    outside = it.cause == public.TaskOverflowed.CAUSE_CLOSED_HOURS
    where = rules.business_hours.overflow if outside else rules.overflow
    kind, name = removal.way(ledger, tenant_id, *target(where))
    if kind == "queue_id":
        queue = ledger.queues.get((tenant_id, name))
        if queue is None or queue.removed or name in {queue_id, *task.overflowed}:
            kind, name = "end", ""
    elif kind == "group_id":
        group = ledger.groups.get((tenant_id, name))
        if group is None or group.removed:
            kind, name = "end", ""
    said = target(it.overflow)
    ledger.insist(said == (kind, name), f"{it.task_id} goes to {said}, not to {kind} {name}")
    task.overflowed.append(queue_id)
    task.bound_for, task.place = said, NOWHERE


def arrives(ledger: "Ledger", it: wire.Queued, task: Task) -> bool:
    """Tell whether a task comes back as it was, or where it was sent; it is there then."""
    kind, name = task.bound_for
    meant = wire.TaskSubmitted()
    meant.CopyFrom(task.submitted)
    if kind:
        meant.group_id = name if kind == "group_id" else ""
    if kind == "queue_id":
        meant.queue_id = name
        if name != task.submitted.queue_id:
            task.waits_since = ledger.at
    elif kind == "voicemail":
        meant.channel = directory.TASK_CHANNEL_VOICEMAIL
    task.bound_for = ("", "")
    task.priority = ledger.priority(it)
    task.submitted = meant
    return bool(it.task == meant) and kind in {"", "queue_id", "group_id", "voicemail"}


def ends(ledger: "Ledger", it: wire.Cancelled, task: Task) -> None:
    kind, words = task.bound_for
    ledger.insist(kind in {"", "end", "message"}, f"{it.task_id} ends instead of going to {words}")
    ledger.insist(it.message == words, f"{it.task_id} ends with other words")


def after_service_started(ledger: "Ledger", it: wire.AfterServiceStarted) -> None:
    task = ledger.next_of(it, HELD)
    if task is None:
        return
    ledger.insist(task.agent_id == it.agent_id, f"{it.task_id} is held by {task.agent_id}")
    rules = policy(ledger, it.tenant_id, task)
    if task.finishes is None:
        modes = directory.AfterService
        ledger.insist(rules.after_service != modes.MODE_UNSPECIFIED, "after-service of no queue")
        limited = rules.after_service == modes.MODE_LIMITED
        meant = ledger.at + rules.after_service_limit_ms if limited else NEVER_ENDS
    else:
        granted = task.finishes != NEVER_ENDS and rules.after_service_extension_ms > 0
        ledger.insist(granted, f"{it.task_id} cannot be extended")
        meant = task.finishes + rules.after_service_extension_ms
    ledger.insist(it.ends_at_ms == meant, f"{it.task_id} ends at {it.ends_at_ms}, not {meant}")
    task.finishes = it.ends_at_ms


def completes(ledger: "Ledger", it: wire.Completed, task: Task) -> None:
    rules = policy(ledger, it.tenant_id, task)
    if task.finishes is None:
        off = rules.after_service == directory.AfterService.MODE_UNSPECIFIED
        ledger.insist(off, f"{it.task_id} has no after-service")
    late = task.finishes is not None and 0 < task.finishes <= ledger.at
    ledger.insist(late or not it.forced, f"{it.task_id} is forced out too early")


def given_up(ledger: "Ledger", tenant_id: str, agent_id: str) -> dict[tuple[str, str], int]:
    """Return what an agent who is lost must not keep."""
    agent = ledger.agents[tenant_id, agent_id]
    if agent.presence.connected:
        return {}
    return {
        (tenant_id, task_id): ledger.tasks[tenant_id, task_id].revision
        for task_id in agent.has
        if _gives_up(ledger, tenant_id, ledger.tasks[tenant_id, task_id])
    }


def _gives_up(ledger: "Ledger", tenant_id: str, task: Task) -> bool:
    requeues = policy(ledger, tenant_id, task).on_agent_lost == directory.ON_AGENT_LOST_REQUEUE
    return task.place == HELD and (requeues or task.finishes is not None)


def look_around(ledger: "Ledger") -> None:
    """Check what is true after every step."""
    for (tenant_id, task_id), task in ledger.tasks.items():
        queue_id = task.submitted.queue_id
        its_own = in_line(task, queue_id) and queue_id not in task.overflowed
        if task.place == WAITS and its_own:
            stays = not closed(ledger, tenant_id, queue_id)
            ledger.insist(stays, f"{task_id} waits after closing time")
            stays = not deserted(ledger, tenant_id, task)
            ledger.insist(stays, f"{task_id} waits where nobody is")
    for key, revision in ledger.given_up.items():
        left = ledger.tasks.get(key)
        kept = left is not None and left.revision == revision
        ledger.insist(not kept, f"{key[1]} stays with an agent who is lost")
    ledger.given_up.clear()


def close(ledger: "Ledger") -> None:
    """Check what is true after every record: nothing is overdue."""
    for (tenant_id, task_id), task in ledger.tasks.items():
        due = leaves_at(ledger, tenant_id, task) if task.place == WAITS else None
        ledger.insist(due is None or due > ledger.at, f"{task_id} has waited too long")
        late = task.finishes is not None and 0 < task.finishes <= ledger.at
        ledger.insist(not late, f"{task_id} is beyond the limit of its after-service")
    for (_, queue_id), turned in ledger.hours.items():
        late = 0 < turned.turns_at_ms <= ledger.at
        ledger.insist(not late, f"{queue_id} has not opened or closed")
