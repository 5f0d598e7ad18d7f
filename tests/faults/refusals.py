"""Who refused a task, and when they are asked again, judged on the ledger by brute force.

Nothing of services.dispatch is used.
"""

from typing import TYPE_CHECKING

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from tests.faults.book import Task

if TYPE_CHECKING:
    from tests.faults.ledger import Ledger

ENDS = {
    public.OFFER_END_DECLINED,
    public.OFFER_END_TIMED_OUT,
    public.OFFER_END_UNREACHABLE,
}
"""Ends after which the agent is not offered the task for a while."""
USUAL_PAUSE_MS = 20_000
NO_PAUSE_ENDS_IT = 0
REMEMBERED = 32


def pause_ms(ledger: "Ledger", tenant_id: str, where: wire.TaskSubmitted) -> int:
    """Return after how long a task that waits there is offered to who refused it."""
    group = ledger.groups.get((tenant_id, where.group_id))
    said = ledger.queue(tenant_id, where.queue_id) if group is None else group
    return said.ask_again_after_ms or USUAL_PAUSE_MS


def over(
    ledger: "Ledger", tenant_id: str, task: Task, agent_id: str, where: wire.TaskSubmitted
) -> bool:
    """Tell whether the pause after somebody's refusal is over, where the task waits."""
    refused_at = task.refused[agent_id]
    if refused_at == NO_PAUSE_ENDS_IT:
        return False
    return refused_at + pause_ms(ledger, tenant_id, where) <= ledger.at


def refused(task: Task, agent_id: str, at: int) -> None:
    task.excluded.add(agent_id)
    task.refused[agent_id] = at


def forgotten(task: Task, agent_id: str) -> None:
    task.excluded.discard(agent_id)
    task.refused.pop(agent_id, None)


def comes_back(ledger: "Ledger", it: wire.Queued, task: Task, taken_from: set[str]) -> None:
    """Check that a task comes back without those who refused it, and without nobody else."""
    task_id, excluded = it.task.task_id, set(it.excluded)
    refuse = {
        agent_id
        for agent_id in task.excluded
        if not over(ledger, it.tenant_id, task, agent_id, it.task)
    }
    ledger.insist(refuse <= excluded, f"{task_id} comes back to {refuse - excluded} too early")
    more = excluded - refuse - taken_from
    ledger.insist(not more, f"{task_id} comes back without {more}, who may be asked")
    for agent_id in excluded - refuse:
        refused(task, agent_id, NO_PAUSE_ENDS_IT)
    task.excluded = excluded
    _remember_lately(task)


def pause_over(ledger: "Ledger", it: wire.PauseOver) -> None:
    """Check that an agent may be asked again what they refused."""
    ledger.insist(bool(it.task_ids), f"a pause of {it.agent_id} is over for nothing")
    for task_id in it.task_ids:
        task = ledger.tasks.get((it.tenant_id, task_id))
        if task is None or it.agent_id not in task.excluded:
            ledger.insist(False, f"{task_id} is not kept from {it.agent_id}")
            continue
        looks = ledger.looks(it.tenant_id, task)
        ledger.insist(looks, f"{task_id} asks again and does not wait")
        early = not over(ledger, it.tenant_id, task, it.agent_id, task.submitted)
        ledger.insist(not early, f"{task_id} asks {it.agent_id} again too early")
        task.excluded.discard(it.agent_id)
        _remember_lately(task)


def _remember_lately(task: Task) -> None:
    """Forget who refused a task before the latest of those who may be asked again."""
    others = sorted(task.refused.keys() - task.excluded, key=lambda it: (task.refused[it], it))
    for agent_id in others[:-REMEMBERED]:
        del task.refused[agent_id]


def chooses(ledger: "Ledger", it: wire.PresenceSet, before: wire.PresenceObserved) -> None:
    """Note that an agent chose Ready, perhaps while they were."""
    if it.presence.ready_at_ms > before.ready_at_ms:
        ledger.chose_ready.add((it.tenant_id, it.presence.agent_id))


def refusals_forgotten(ledger: "Ledger", it: wire.RefusalsForgotten) -> None:
    """Check that an agent chose Ready in this step."""
    chose = (it.tenant_id, it.agent_id) in ledger.chose_ready
    ledger.insist(chose, f"the refusals of {it.agent_id} are forgotten for no reason")
    all_of(ledger, it.tenant_id, it.agent_id)


def all_of(ledger: "Ledger", tenant_id: str, agent_id: str) -> None:
    """Forget what an agent refused, who turned to work again."""
    for (owner, _), task in ledger.tasks.items():
        if owner == tenant_id:
            forgotten(task, agent_id)


def look_around(ledger: "Ledger") -> None:
    """Check what is true after every step."""
    for tenant_id, agent_id in ledger.chose_ready:
        left = [
            task_id
            for (owner, task_id), task in ledger.tasks.items()
            if owner == tenant_id and agent_id in task.refused
        ]
        receives = ledger.agents[tenant_id, agent_id].receives()
        ledger.insist(
            not (receives and left), f"{agent_id} chose Ready and {left} are held against them"
        )
    ledger.chose_ready.clear()


def close(ledger: "Ledger") -> None:
    """Check what is true after every record: nobody who may be asked again is passed over."""
    for (tenant_id, task_id), task in ledger.tasks.items():
        if not task.excluded or not ledger.looks(tenant_id, task):
            continue
        late = [
            agent_id
            for agent_id in task.excluded
            if over(ledger, tenant_id, task, agent_id, task.submitted)
        ]
        ledger.insist(not late, f"{task_id} does not ask {late} again, whose pause is over")
