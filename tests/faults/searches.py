"""For whom tasks are kept, and what they ask for as they wait, judged by brute force.

Nothing of services.dispatch is used.
"""

from typing import TYPE_CHECKING

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from tests.faults import rules, waits
from tests.faults.book import WAITS, Task

if TYPE_CHECKING:
    from tests.faults.ledger import Ledger

CLOSE_HEARD_MS = 1_000
"""How long what goes on waits at least for who was at it."""


def keeps(ledger: "Ledger", it: wire.Queued, task: Task) -> None:
    """Check for whom a new task is kept, and until when."""
    queue = ledger.queue(it.tenant_id, it.task.queue_id)
    task.kept_for = ledger.keeper(it.tenant_id, task)
    goes_on = task.kept_for == it.task.last_agent_id
    hold = max(queue.sticky_hold_ms, CLOSE_HEARD_MS) if goes_on else queue.sticky_hold_ms
    until = ledger.at + hold if task.kept_for else 0
    ledger.insist(
        (it.kept_for, it.kept_until_ms) == (task.kept_for, until),
        f"{it.task.task_id} is kept for {it.kept_for} and not for {task.kept_for}",
    )
    task.kept_until = it.kept_until_ms


def widened(ledger: "Ledger", it: wire.Widened) -> None:
    """Check that more agents may get the task for a reason."""
    task = ledger.tasks.get((it.tenant_id, it.task_id))
    if task is None or task.place != WAITS:
        ledger.insist(False, f"{it.task_id} does not wait and is widened")
        return
    steps = task.relaxed
    ledger.settle(it.tenant_id, task)
    ledger.insist(it.relaxed == task.relaxed, f"{it.task_id} is relaxed to {it.relaxed}")
    ledger.insist(it.kept_for in {"", task.kept_for}, f"{it.task_id} is kept for somebody else")
    changed = steps != task.relaxed or it.kept_for != task.kept_for
    ledger.insist(changed, f"{it.task_id} is widened by nothing")
    if task.kept_for and not it.kept_for:
        over = task.kept_until <= ledger.at or not ledger.hopes(it.tenant_id, task, task.kept_for)
        stays = waits.may_stay(ledger, it.tenant_id, task)
        ledger.insist(
            over or not stays, f"{it.task_id} is kept for {task.kept_for} too short a time"
        )
        task.kept_for, task.kept_until = "", 0


def close(ledger: "Ledger") -> None:
    """Check what is true after every record: nobody is sought too narrowly."""
    for (tenant_id, task_id), task in ledger.tasks.items():
        if task.place != WAITS or task.submitted.group_id:
            continue
        kept = bool(task.kept_for) and task.kept_until <= ledger.at
        ledger.insist(not kept, f"{task_id} is kept for {task.kept_for} too long")
        vain = bool(task.kept_for) and not ledger.hopes(tenant_id, task, task.kept_for)
        ledger.insist(not vain, f"{task_id} is kept for {task.kept_for} in vain")
        queue = ledger.queue(tenant_id, task.submitted.queue_id)
        due = rules.steps_due(task.submitted, queue, ledger.at)
        ledger.insist(task.relaxed >= due, f"{task_id} asks for too much after its wait")
