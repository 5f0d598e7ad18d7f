"""What those with authority do to queues and to the tasks of others.

Permission is decided in the same step as what it is for: nobody acts on what they lost before.
"""

from dataclasses import replace
from itertools import groupby, islice

from . import overflow
from .decisions import Acted, Action, QueueModeSet, Reason
from .following import (
    Decisions,
    acted,
    again,
    answer,
    in_order,
    let_in,
    match_queue,
    place,
    place_all,
    share_out,
)
from .inputs import MoveTasks, QueueMode, Role, SetQueueMode, TakeBackTask
from .parties import Task
from .tenant import Tenant

MOVED_AT_ONCE = 1000
"""Tasks that one command moves at most: they commit together, and others wait meanwhile."""

_ACTIONS = {
    QueueMode.OPEN: Action.QUEUE_OPENED,
    QueueMode.PAUSED: Action.QUEUE_PAUSED,
    QueueMode.DRAINING: Action.QUEUE_DRAINED,
}


def supervises(tenant: Tenant, actor_id: str, role: Role, queue_id: str) -> bool:
    """Tell whether somebody has a say in a queue: a supervisor in their own, a manager in all."""
    actor = tenant.agents.get(actor_id)
    theirs = actor is not None and queue_id in actor.config.queue_ids
    return role >= Role.MANAGER or (role is Role.SUPERVISOR and theirs)


def supervises_task(tenant: Tenant, actor_id: str, role: Role, task: Task) -> bool:
    """Tell whether somebody has a say in a task of a queue or a group."""
    actor = tenant.agents.get(actor_id)
    theirs = actor is not None and tenant.reaches(task, actor)
    return role >= Role.MANAGER or (role is Role.SUPERVISOR and theirs)


def set_queue_mode(tenant: Tenant, it: SetQueueMode, at: int) -> Decisions:
    if (no := _not_over(tenant, it, it.queue_id)) is not None:
        yield answer(it, no)
        return
    if tenant.modes.get(it.queue_id, QueueMode.OPEN) is not it.mode:
        yield QueueModeSet(it.tenant_id, it.queue_id, it.mode)
        yield Acted(it.tenant_id, it.actor_id, _ACTIONS[it.mode], at, it.queue_id)
        yield from match_queue(tenant, it.queue_id, at)
    yield answer(it, Reason.DONE)


def move_tasks(tenant: Tenant, it: MoveTasks, at: int) -> Decisions:
    if (no := _not_left(tenant, it) or _not_over(tenant, it, it.target_queue_id)) is not None:
        yield answer(it, no)
        return
    moved = _first_waiting(tenant, it) if it.queue_id else _named_waiting(tenant, it, at)
    for queue_id, some in groupby(moved, _queue_of):
        yield Acted(
            it.tenant_id,
            it.actor_id,
            Action.TASKS_MOVED,
            at,
            queue_id,
            target_queue_id=it.target_queue_id,
            tasks=len(list(some)),
        )
    for task in moved:
        there = replace(task.submitted, queue_id=it.target_queue_id, group_id="")
        yield overflow.moved(tenant, task, there, at)
    # Only now, and in the order of where they are: nothing overtakes on the way.
    yield from place_all(tenant, moved, at, new=True)
    yield answer(it, Reason.DONE, len(moved))


def take_back_task(tenant: Tenant, it: TakeBackTask, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None:
        yield answer(it, Reason.TASK_NOT_FOUND)
    elif not supervises_task(tenant, it.actor_id, it.actor_role, task):
        yield answer(it, Reason.TASK_NOT_IN_YOUR_QUEUES)
    elif not task.held:
        yield answer(it, Reason.TASK_NOT_ASSIGNED)
    elif task.after_service is not None:
        yield answer(it, Reason.TASK_IN_AFTER_SERVICE)
    else:
        holder, queue_id = tenant.agents[task.agent_id], task.submitted.queue_id
        yield acted(it.actor_id, Action.TASK_TAKEN_BACK, task, at)
        without = {holder.id} if it.exclude_agent else set()
        back = again(tenant, task, at)
        yield replace(back, excluded=tuple(sorted({*back.excluded, *without})))
        yield from let_in(tenant, task, at)
        # The holder has room and the task has nobody: whatever comes first goes first.
        yield from share_out(tenant, [holder], at)
        if task.waits:
            yield from place(tenant, task, at, new=task.submitted.queue_id != queue_id)
        yield answer(it, Reason.DONE)


def _not_left(tenant: Tenant, it: MoveTasks) -> Reason | None:
    """Say why a queue may not be emptied.

    What is named may be fetched from anywhere, and nobody has a say in a queue that is no more.
    """
    if not it.queue_id:
        return None
    if tenant.has_queue(it.queue_id):
        return _not_over(tenant, it, it.queue_id)
    known = it.queue_id in tenant.queues or tenant.lines.length(it.queue_id) > 0
    return None if known else Reason.QUEUE_NOT_FOUND


def _not_over(tenant: Tenant, it: SetQueueMode | MoveTasks, queue_id: str) -> Reason | None:
    if not tenant.has_queue(queue_id):
        return Reason.QUEUE_NOT_FOUND
    if not supervises(tenant, it.actor_id, it.actor_role, queue_id):
        return Reason.QUEUE_NOT_YOURS
    return None


def _queue_of(task: Task) -> str:
    return task.submitted.queue_id


def _named_waiting(tenant: Tenant, it: MoveTasks, at: int) -> list[Task]:
    """List those that wait anywhere else, also at a group: by queue, and as they stand there."""
    named = [tenant.tasks[task_id] for task_id in set(it.task_ids) & tenant.tasks.keys()]
    there = "", it.target_queue_id
    elsewhere = [
        task
        for task in named
        if task.waits and (task.submitted.group_id, task.submitted.queue_id) != there
    ]
    return sorted(in_order(tenant, elsewhere, at), key=_queue_of)


def _first_waiting(tenant: Tenant, it: MoveTasks) -> list[Task]:
    if it.queue_id == it.target_queue_id:
        return []
    named = frozenset(it.task_ids)
    waiting = tenant.lines.waiting(it.queue_id)
    moved = (task_id for task_id in waiting if not named or task_id in named)
    return [tenant.tasks[task_id] for task_id in islice(moved, MOVED_AT_ONCE)]
