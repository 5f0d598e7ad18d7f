"""What must follow from the orders of services and supervisors, from the contract alone.

Each returns the answers that are right, and the decision that a done order must show ("": none).
"""

from collections.abc import Callable, Mapping, Sequence

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.options.v1 import options_pb2 as options

from tests.faults import groups, removal
from tests.faults.book import HELD, WAITS, Task
from tests.faults.ledger import ENDED_KEPT_MS, Ledger

Outcome = tuple[set[str], str]
MOVED_AT_ONCE = 1000


def moved(decisions: Sequence[wire.Decision]) -> int:
    return sum(it.acted.tasks for it in decisions if it.WhichOneof("body") == "acted")


def _submitted(ledger: Ledger, it: wire.Input, at: int) -> Outcome:
    tenant_id, order = it.tenant_id, it.submit_task
    key = (tenant_id, order.task.task_id)
    if key in ledger.tasks or (key in ledger.ended and at - ledger.ended[key][1] < ENDED_KEPT_MS):
        return {""}, ""
    fresh = key not in ledger.ended
    if order.task.group_id:
        group = ledger.groups.get((tenant_id, order.task.group_id))
        leaves = (tenant_id, "", order.task.group_id) in ledger.vacated
        known, missing = bool(group and not group.removed and not leaves), "GROUP_NOT_FOUND"
        theirs, foreign = order.actor_id in groups.members(group), "GROUP_NOT_YOURS"
    else:
        known, missing = _known(ledger, tenant_id, order.task.queue_id), "QUEUE_NOT_FOUND"
        theirs = _answers(ledger, tenant_id, order.actor_id, order.task.queue_id)
        foreign = "QUEUE_NOT_YOURS"
    reason = "" if _rules(order.actor_role, theirs=theirs) else foreign
    reason = reason if known else missing
    return ({reason}, "queued") if fresh else ({reason, ""}, "")


def _cancelled(ledger: Ledger, it: wire.Input, at: int) -> Outcome:
    key = (it.tenant_id, it.cancel_task.task_id)
    task = ledger.tasks.get(key)
    if task is None:
        known = ledger.ended.get(key)
        if known is None:
            return {"TASK_NOT_FOUND"}, ""
        return ({""} if at - known[1] < ENDED_KEPT_MS else {"", "TASK_NOT_FOUND"}), ""
    if not _rules_task(ledger, it.tenant_id, it.cancel_task, task):
        return {"TASK_NOT_IN_YOUR_QUEUES"}, ""
    return {"TASK_ALREADY_ASSIGNED" if task.place == HELD else ""}, "cancelled"


def _unreachable(ledger: Ledger, it: wire.Input, at: int) -> Outcome:
    order = it.report_unreachable
    key = (it.tenant_id, order.task_id)
    task = ledger.tasks.get(key)
    if task is not None:
        return {"" if order.agent_id in task.offers else "OFFER_NOT_YOURS"}, "offer_closed"
    known = ledger.ended.get(key)
    if known is None:
        return {"TASK_NOT_FOUND"}, ""
    if at - known[1] < ENDED_KEPT_MS:
        return {"OFFER_NOT_YOURS"}, ""
    return {"OFFER_NOT_YOURS", "TASK_NOT_FOUND"}, ""


def blamed(it: wire.Input, decisions: Sequence[wire.Decision]) -> list[str]:
    """Return who is wrongly said to have called off what rang: a person, or the customer."""
    person = it.task_closed.closed_by or it.cancel_task.actor_id
    by_hand = bool(person) and not person.startswith("service:")
    wrong = public.OFFER_END_CALLER_GAVE_UP if by_hand else public.OFFER_END_CANCELLED
    said = [made.offer_closed for made in decisions if made.WhichOneof("body") == "offer_closed"]
    return [f"{one.task_id} is called off by somebody else" for one in said if one.end == wrong]


def closes_anothers(task: Task, closed_by: str) -> bool:
    """Tell whether somebody ends work of another, or of nobody, by closing its conversation."""
    return closed_by not in {"", task.agent_id} and task.finishes is None


AUDITED = ("cancel_task", "complete_task", "finish_after_service")
"""Orders that are an act only if somebody gives them over the head of whose task it is."""


def owed(ledger: Ledger, it: wire.Input) -> bool:
    """Tell whether one of these must be written down beside what it did."""
    body = str(it.WhichOneof("body"))
    order = getattr(it, body)
    task = ledger.tasks.get((it.tenant_id, order.task_id))
    if task is None or body == "cancel_task":
        return task is not None and not order.actor_id.startswith("service:")
    begun = body == "finish_after_service"
    return task.agent_id != order.actor_id and (task.finishes is not None) is begun


def _taken_back(ledger: Ledger, it: wire.Input, _at: int) -> Outcome:
    task = ledger.tasks.get((it.tenant_id, it.take_back_task.task_id))
    if task is None:
        return {"TASK_NOT_FOUND"}, ""
    if not _rules_task(ledger, it.tenant_id, it.take_back_task, task):
        return {"TASK_NOT_IN_YOUR_QUEUES"}, ""
    if task.finishes is not None:
        return {"TASK_IN_AFTER_SERVICE"}, ""
    return {"" if task.place == HELD else "TASK_NOT_ASSIGNED"}, "acted"


def _mode_set(ledger: Ledger, it: wire.Input, _at: int) -> Outcome:
    order = it.set_queue_mode
    no = _not_over(ledger, it.tenant_id, order, order.queue_id)
    now = ledger.modes.get((it.tenant_id, order.queue_id), public.QUEUE_MODE_OPEN)
    return {no}, "" if now == (order.mode or public.QUEUE_MODE_OPEN) else "acted"


def _moved(ledger: Ledger, it: wire.Input, _at: int) -> Outcome:
    order = it.move_tasks
    if not order.queue_id:
        return _moved_by_name(ledger, it.tenant_id, order)
    there = [
        task_id
        for (owner, task_id), task in ledger.tasks.items()
        if (owner, task.place) == (it.tenant_id, WAITS)
        and (task.submitted.group_id, task.submitted.queue_id) == ("", order.queue_id)
    ]
    # What waits in a queue that is no more must have a way out of it, and nobody has a say there.
    if _known(ledger, it.tenant_id, order.queue_id):
        no = _not_over(ledger, it.tenant_id, order, order.queue_id)
    else:
        known = bool(there) or (it.tenant_id, order.queue_id) in ledger.queues
        no = "" if known else "QUEUE_NOT_FOUND"
    if no := no or _not_over(ledger, it.tenant_id, order, order.target_queue_id):
        return {no}, ""
    wait = [task_id for task_id in there if not order.task_ids or task_id in order.task_ids]
    return {""}, "acted" if wait and order.queue_id != order.target_queue_id else ""


def _moved_by_name(ledger: Ledger, tenant_id: str, order: wire.MoveTasks) -> Outcome:
    keys = [(tenant_id, task_id) for task_id in order.task_ids]
    named = [ledger.tasks[key] for key in keys if key in ledger.tasks]
    if no := _not_over(ledger, tenant_id, order, order.target_queue_id):
        return {no}, ""
    there = "", order.target_queue_id
    waits = [it.submitted for it in named if it.place == WAITS]
    return {""}, "acted" if any((it.group_id, it.queue_id) != there for it in waits) else ""


def _not_over(
    ledger: Ledger,
    tenant_id: str,
    order: wire.SetQueueMode | wire.MoveTasks,
    queue_id: str,
) -> str:
    if not _known(ledger, tenant_id, queue_id):
        return "QUEUE_NOT_FOUND"
    theirs = _answers(ledger, tenant_id, order.actor_id, queue_id)
    return "" if _rules(order.actor_role, theirs=theirs) else "QUEUE_NOT_YOURS"


def _rules_task(
    ledger: Ledger,
    tenant_id: str,
    order: wire.CancelTask | wire.TakeBackTask,
    task: Task,
) -> bool:
    known = (tenant_id, order.actor_id) in ledger.agents
    theirs = known and ledger.reaches(tenant_id, order.actor_id, task)
    return _rules(order.actor_role, theirs=theirs)


def _rules(role: int, *, theirs: bool) -> bool:
    return role >= options.ROLE_MANAGER or (role == options.ROLE_SUPERVISOR and theirs)


def _known(ledger: Ledger, tenant_id: str, queue_id: str) -> bool:
    queue = ledger.queues.get((tenant_id, queue_id))
    return bool(queue and not queue.removed) and (tenant_id, queue_id, "") not in ledger.vacated


def _answers(ledger: Ledger, tenant_id: str, actor_id: str, queue_id: str) -> bool:
    actor = ledger.agents.get((tenant_id, actor_id))
    return actor is not None and queue_id in actor.config.queue_ids


OUTCOMES: Mapping[str, Callable[[Ledger, wire.Input, int], Outcome]] = {
    "submit_task": _submitted,
    "cancel_task": _cancelled,
    "report_unreachable": _unreachable,
    "take_back_task": _taken_back,
    "set_queue_mode": _mode_set,
    "move_tasks": _moved,
    "vacate": lambda ledger, it, _at: removal.asked(ledger, it),
}
