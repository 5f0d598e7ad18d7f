"""What the world outside could see of the promises: public events and answers, nothing else.

Whoever follows a task by its events must be able to say where it is, who has it, and who ruled.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from tests.faults.journal_reader import Stored

_Acted = public.SupervisorActed
_MODES = {
    public.QUEUE_MODE_OPEN: _Acted.ACTION_QUEUE_OPENED,
    public.QUEUE_MODE_PAUSED: _Acted.ACTION_QUEUE_PAUSED,
    public.QUEUE_MODE_DRAINING: _Acted.ACTION_QUEUE_DRAINED,
}
_ENDS: dict[type, Any] = {
    public.AfterServiceStarted: _Acted.ACTION_TASK_COMPLETED,
    public.TaskCompleted: _Acted.ACTION_TASK_COMPLETED,
    public.TaskCancelled: _Acted.ACTION_TASK_CANCELLED,
}


@dataclass
class Seen:
    """A task as its events tell of it."""

    name: str
    revision: int = 0
    place: str = ""
    """The queue in whose line it stands, or stood before it rang; empty in a group's."""
    rings: set[str] = field(default_factory=set)
    holder: str = ""
    lost: bool = False
    """Set between the end of a ring that somebody else won, and the word of who."""
    bound_for: tuple[str, str] = ("", "")
    turned_away: str = ""
    """A drained queue that it came to, and must leave at once."""
    left: set[str] = field(default_factory=set)
    """Queues it has overflowed from."""
    over: bool = False


@dataclass(frozen=True)
class Deed:
    """What somebody with authority did, to what, and to how many tasks."""

    action: int
    actor_id: str
    what: str
    tasks: int = 0


def told_of(events: Sequence[Stored]) -> list[Any]:
    """Return the events in the order in which they were decided."""
    return [
        getattr(public, one.headers["ce-type"].rpartition(".")[2]).FromString(one.data)
        for one in sorted(events, key=_place)
    ]


def _place(event: Stored) -> tuple[int, ...]:
    return tuple(int(part) for part in event.headers["ce-id"].split("-")[1:])


def followed(events: Sequence[Any]) -> list[str]:
    """Follow each task from its beginning to its end, and each queue while it is drained."""
    tasks: dict[str, Seen] = {}
    drained: set[str] = set()
    problems = []
    for event in events:
        if isinstance(event, _Acted):
            if event.action in _MODES.values():
                drains = event.action == _Acted.ACTION_QUEUE_DRAINED
                drained = drained | {event.queue_id} if drains else drained - {event.queue_id}
            continue
        task = tasks.setdefault(event.task_id, Seen(event.task_id))
        problems += [f"{event.task_id}: {it}" for it in _goes_on(task, event, drained)]
    for task in tasks.values():
        if not task.over:
            problems.append(f"{task.name}: is nowhere at the end, and has not ended")
    return problems


def _goes_on(task: Seen, event: Any, drained: set[str]) -> Iterator[str]:
    """Say what is wrong with an event as the next of its task."""
    kind = type(event).__name__
    if task.over:
        yield f"{kind} after its end"
    if event.revision != task.revision + 1:
        yield f"{kind} {event.revision} after {task.revision}: something was not told"
    if task.turned_away and not isinstance(event, public.TaskOverflowed):
        yield f"{kind}, and {task.turned_away} is drained"
    if task.bound_for[0] and not _arrives(task, event):
        yield f"{kind}, and it was to go to {task.bound_for}"
    if task.lost and not isinstance(event, public.OfferEnded | public.TaskAssigned):
        yield f"{kind}, and somebody was told that it is taken"
    task.revision = event.revision
    task.turned_away, task.bound_for, task.lost = "", ("", ""), False
    yield from _FOLDS[type(event)](task, event)
    if isinstance(event, public.TaskQueued):
        place = "" if event.group_id else event.queue_id
        comes_in = place != task.place and place not in task.left
        task.turned_away = place if comes_in and place in drained else ""
        task.place = place


def _arrives(task: Seen, event: Any) -> bool:
    kind, where = task.bound_for
    match kind:
        case "queue_id":
            return isinstance(event, public.TaskQueued) and event.queue_id == where
        case "group_id":
            return isinstance(event, public.TaskQueued) and event.group_id == where
        case "voicemail":
            return isinstance(event, public.TaskQueued) and not event.group_id
        case "message":
            return isinstance(event, public.TaskCancelled) and event.message == where
        case _:
            return isinstance(event, public.TaskCancelled) and not event.message


def _waits(task: Seen, event: public.TaskQueued) -> Iterator[str]:
    if task.rings:
        yield f"waits, and it rings on at {sorted(task.rings)}"
    task.holder = ""


def _rings(task: Seen, event: public.TaskOffered) -> Iterator[str]:
    if task.holder or sorted(task.rings) != list(event.also_ringing_agent_ids):
        yield f"rings at {event.agent_id} beside {task.holder} {sorted(task.rings)}"
    task.rings.add(event.agent_id)


def _rings_no_more(task: Seen, event: public.OfferEnded) -> Iterator[str]:
    if event.agent_id not in task.rings:
        yield f"{event.agent_id} was not rung"
    task.rings.discard(event.agent_id)
    task.lost = event.end == public.OFFER_END_TAKEN_ELSEWHERE


def _is_taken(task: Seen, event: public.TaskAssigned) -> Iterator[str]:
    by_hand = bool(event.assigned_by) and not task.rings
    if not by_hand and task.rings != {event.agent_id}:
        yield f"{event.agent_id} has it, and it rings on at {sorted(task.rings)}"
    task.rings.clear()
    task.holder = event.agent_id


def _is_worked_on(
    task: Seen, event: public.AfterServiceStarted | public.TaskCompleted
) -> Iterator[str]:
    if event.agent_id != task.holder:
        yield f"{event.agent_id} works on it, and {task.holder} has it"
    task.over = isinstance(event, public.TaskCompleted)


def _leaves(task: Seen, event: public.TaskOverflowed) -> Iterator[str]:
    if event.queue_id in task.left:
        yield f"overflows from {event.queue_id} once more"
    target = event.overflow.WhichOneof("target") or "end"
    task.bound_for = target, str(getattr(event.overflow, target))
    task.left.add(event.queue_id)


def _ends(task: Seen, _: public.TaskCancelled) -> Iterator[str]:
    if task.rings or task.holder:
        yield f"is cancelled beside {task.holder} {sorted(task.rings)}"
    task.over = True


_FOLDS: dict[type, Callable[[Seen, Any], Iterator[str]]] = {
    public.TaskQueued: _waits,
    public.TaskOffered: _rings,
    public.OfferEnded: _rings_no_more,
    public.TaskAssigned: _is_taken,
    public.AfterServiceStarted: _is_worked_on,
    public.TaskCompleted: _is_worked_on,
    public.TaskOverflowed: _leaves,
    public.TaskCancelled: _ends,
}


def audited(
    events: Sequence[Any], settled: Iterable[tuple[wire.Input, wire.Answered]]
) -> list[str]:
    """Compare what is kept of deeds with what was done.

    That is what was ordered, one order after the other, and who ended what over whose head.
    """
    kept = [_entry(it) for it in events if isinstance(it, _Acted)]
    ends = [it for it in kept if it.action in _ENDS.values()]
    return [
        *_compared([it for it in kept if it.action not in _ENDS.values()], list(_deeds(settled))),
        *_compared(ends, list(_ended(events))),
    ]


def _compared(kept: list[Deed], done: list[Deed]) -> list[str]:
    missing, invented = Counter(done) - Counter(kept), Counter(kept) - Counter(done)
    if not missing and not invented and kept != done:
        return ["deeds are not written down in their order"]
    return [
        *(f"{deed} was done and is not written down" for deed in missing),
        *(f"{deed} is written down and was not done" for deed in invented),
    ]


def _ended(events: Iterable[Any]) -> Iterator[Deed]:
    """Yield the ends of work that name somebody other than whose work it was."""
    for event in events:
        action = _ENDS.get(type(event))
        if action is not None and event.ended_by:
            yield Deed(action, event.ended_by, event.task_id)


def _deeds(settled: Iterable[tuple[wire.Input, wire.Answered]]) -> Iterator[Deed]:
    modes = defaultdict[str, int](lambda: public.QUEUE_MODE_OPEN)
    for it, answer in settled:
        if answer.reason:
            continue
        match it.WhichOneof("body"):
            case "take_back_task":
                took = it.take_back_task
                yield Deed(_Acted.ACTION_TASK_TAKEN_BACK, took.actor_id, took.task_id)
            case "move_tasks" if answer.count:
                move = it.move_tasks
                there = f"{move.queue_id} to {move.target_queue_id}"
                yield Deed(_Acted.ACTION_TASKS_MOVED, move.actor_id, there, answer.count)
            case "set_queue_mode" if it.set_queue_mode.mode != modes[it.set_queue_mode.queue_id]:
                rule = it.set_queue_mode
                modes[rule.queue_id] = rule.mode
                yield Deed(_MODES[rule.mode], rule.actor_id, rule.queue_id)


def _entry(act: public.SupervisorActed) -> Deed:
    match act.action:
        case _ if act.action in {_Acted.ACTION_TASK_TAKEN_BACK, *_ENDS.values()}:
            what = act.task_id
        case _Acted.ACTION_TASKS_MOVED:
            what = f"{act.queue_id} to {act.target_queue_id}"
        case _:
            what = act.queue_id
    return Deed(act.action, act.actor_id, what, act.tasks)
