"""What somebody with authority may change in the course of a task, for the ledger."""

from typing import TYPE_CHECKING

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from tests.faults import refusals, removal, waits
from tests.faults.book import HELD, RINGS, WAITS, Task

if TYPE_CHECKING:
    from tests.faults.ledger import Ledger


def comes_back(ledger: "Ledger", it: wire.Queued, task: Task) -> None:
    """Check that a task comes back as it was, but for what somebody with authority did."""
    task_id, before = it.task.task_id, task.submitted.queue_id
    if (act := removal.act_on(ledger, it.tenant_id, task)) is not None:
        ledger.moved.append(removal.move(act))
        task.bound_for = "queue_id", act.target_queue_id
    elif task.place == WAITS:
        if (it.tenant_id, task_id) not in ledger.dissolved:
            ledger.moved.append((it.tenant_id, before, it.task.queue_id))
        task.bound_for = "queue_id", it.task.queue_id
    elif task.bound_for == ("", "") and (home := removal.home(ledger, it.tenant_id, task)):
        task.bound_for = "queue_id", home
    ledger.insist(task.place != RINGS, f"{task_id} is queued while it rings")
    ledger.insist(it.revision == task.revision + 1, f"{task_id} queued again: revision jumps")
    arrived = waits.arrives(ledger, it, task)
    ledger.insist(arrived, f"{task_id} comes back changed: age, cost or queue")
    if it.task.queue_id != before:
        ledger.newcomers.add((it.tenant_id, task_id))
    taken = [act.agent_id for act in ledger.acts if act.task_id == task_id]
    if task.place == HELD:
        holder = ledger.agent(it.tenant_id, task.agent_id)
        lost = holder.config.removed or (it.tenant_id, task_id) in ledger.given_up
        may = (lost or taken == [task.agent_id]) and task.finishes is None
        ledger.insist(may, f"{task_id} is taken from its holder")
    refusals.comes_back(ledger, it, task, set(taken))


def has_acted(ledger: "Ledger") -> None:
    """Check that what was moved in a step is what somebody moved."""
    said: list[tuple[str, ...]] = []
    for act in ledger.acts:
        if act.action == public.SupervisorActed.ACTION_TASKS_MOVED:
            said += [(act.tenant_id, act.queue_id, act.target_queue_id)] * act.tasks
        if act.action in removal.REMOVED:
            said += [removal.move(act)] * act.tasks
            removal.has_emptied(ledger, act)
    ledger.insist(said == ledger.moved, f"{ledger.moved} were moved, and {said} was said")
    for key in ledger.newcomers & ledger.tasks.keys():
        task = ledger.tasks[key]
        comes_in = waits.drained(ledger, key[0], task) and task.place != HELD
        ledger.insist(not comes_in, f"{key[1]} comes into a queue that is drained")
    ledger.acts.clear()
    ledger.dissolved.clear()
    ledger.moved.clear()
    ledger.newcomers.clear()
