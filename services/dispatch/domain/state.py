"""The router's state: the fold of its decisions, and nothing else.

`evolve` is the only way it changes. It owns the state it is given and changes it in place: the
router has one writer, and a state that may be wrong is thrown away, never repaired.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .decisions import (
    Acted,
    AfterServiceStarted,
    AgentSet,
    Answered,
    Assigned,
    Cancelled,
    Completed,
    Decision,
    GroupSet,
    OfferClosed,
    Offered,
    OpeningsSet,
    Overflowed,
    PauseOver,
    PresenceSet,
    Queued,
    QueueModeSet,
    QueueSet,
    QueueTurned,
    RefusalsForgotten,
    TenantSet,
    Vacated,
    Widened,
)
from .demand import steps_due
from .inputs import AgentSelection, QueueMode, StickyTo
from .moments import due_at, leaves_at
from .parties import AfterServiceSpan, Agent, Task
from .refusals import asks_again_at, exclude, forget, refuse
from .tenant import Hours, Kept, Tenant
from .timers import (
    AfterServiceRanOut,
    AskAgainDue,
    HoursTurn,
    OfferRangOut,
    Timer,
    Timers,
    WaitedTooLong,
    WideningDue,
)

ANSWERS_KEPT_MS = 10 * 60_000
"""A command may be repeated this long and is answered as the first time."""

ENDED_KEPT_MS = 24 * 3_600_000
"""The beginning of a task may be repeated this long after its end without making a ghost."""


@dataclass(slots=True)
class State:
    """All tenants of a shard, and the timers."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    at: int = 0
    order: int = 0
    timers: Timers = field(init=False)

    def __post_init__(self) -> None:
        self.timers = Timers(self._due_at)

    def tenant(self, tenant_id: str) -> Tenant:
        tenant = self.tenants.get(tenant_id)
        if tenant is None:
            tenant = self.tenants[tenant_id] = Tenant(tenant_id)
        return tenant

    def next_timer(self) -> tuple[int, Timer] | None:
        """Return the earliest moment to come and what to decide on when it has passed."""
        return self.timers.next()

    def _due_at(self, it: Timer) -> int:
        return due_at(self.tenants[it.tenant_id], it)

    def load_changed(self, agent: Agent, at: int) -> None:
        """Send an agent to the end of the line of the idle."""
        self.order += 1
        agent.idle_since = at
        agent.idle_order = self.order


def evolve(state: State, decision: Decision, at: int) -> State:
    """Fold one decision, made at `at`, into the state."""
    state.at = at
    _FOLDS[type(decision)](state, decision, at)
    return state


def _queue_set(state: State, it: QueueSet, at: int) -> None:
    queue = it.queue
    tenant = state.tenant(queue.tenant_id)
    tenant.configure_queue(queue)
    of_queue = (it for it in tenant.tasks.values() if it.submitted.queue_id == queue.queue_id)
    waiting = [task for task in of_queue if task.waits]
    for task in waiting:
        tenant.take_out(task, at)
    tenant.index.select(queue)
    for task in waiting:
        task.priority = tenant.priority(task.submitted)
        task.relaxed = steps_due(queue, task.submitted.enqueued_at, at)
        _line_up(state, tenant, task, at)


def _openings_set(state: State, it: OpeningsSet, _at: int) -> None:
    hours = state.tenant(it.openings.tenant_id).hours
    known = hours.get(it.openings.queue_id)
    hours[it.openings.queue_id] = Hours(it.openings, known is None or known.is_open)


def _queue_turned(state: State, it: QueueTurned, _at: int) -> None:
    hours = state.tenants[it.tenant_id].hours
    hours[it.queue_id] = Hours(hours[it.queue_id].openings, it.is_open, it.turns_at)
    state.timers.set(HoursTurn(it.tenant_id, it.queue_id), it.turns_at)


def _queue_mode_set(state: State, it: QueueModeSet, _at: int) -> None:
    tenant = state.tenant(it.tenant_id)
    tenant.modes.pop(it.queue_id, None)
    if it.mode is not QueueMode.OPEN:
        tenant.modes[it.queue_id] = it.mode
    tenant.index.pause(it.queue_id, paused=it.mode is QueueMode.PAUSED)


def _group_set(state: State, it: GroupSet, _at: int) -> None:
    tenant = state.tenant(it.group.tenant_id)
    tenant.configure_group(it.group)
    for task in tenant.groups.line(it.group.group_id):
        _ask_again_later(state, tenant, task)


def _agent_set(state: State, it: AgentSet, at: int) -> None:
    tenant = state.tenant(it.agent.tenant_id)
    agent = tenant.agent(it.agent.agent_id)
    was_receiving = agent.receiving
    agent.config = it.agent
    if it.agent.removed:
        tenant.last_agents.forget(agent.id)
    for queue_id in set(agent.turns) - set(it.agent.queue_ids):
        del agent.turns[queue_id]
    _present(state, tenant, agent, at, was_receiving=was_receiving)


def _presence_set(state: State, it: PresenceSet, at: int) -> None:
    tenant = state.tenant(it.presence.tenant_id)
    agent = tenant.agent(it.presence.agent_id)
    was_receiving = agent.receiving
    agent.presence = it.presence
    _present(state, tenant, agent, at, was_receiving=was_receiving)


def _present(state: State, tenant: Tenant, agent: Agent, at: int, *, was_receiving: bool) -> None:
    if agent.receiving and not was_receiving:
        state.load_changed(agent, at)
        _readmit(state, tenant, agent, at)
    tenant.place(agent)


def _readmit(state: State, tenant: Tenant, agent: Agent, at: int) -> None:
    """Who turns to work again may be offered again what they had refused."""
    for task in list(agent.refused.values()):
        excluded = agent.id in task.excluded
        forget(tenant, task, agent)
        if excluded:
            _sought_anew(state, tenant, task, at)


def _refusals_forgotten(state: State, it: RefusalsForgotten, at: int) -> None:
    tenant = state.tenants[it.tenant_id]
    _readmit(state, tenant, tenant.agents[it.agent_id], at)


def _pause_over(state: State, it: PauseOver, at: int) -> None:
    tenant = state.tenants[it.tenant_id]
    for task_id in it.task_ids:
        task = tenant.tasks[task_id]
        exclude(tenant, task, (other for other in task.excluded if other != it.agent_id))
        _sought_anew(state, tenant, task, at)


def _sought_anew(state: State, tenant: Tenant, task: Task, at: int) -> None:
    """Put a task that waits where those are who may get it now."""
    if task.entry is not None:
        tenant.leave_queue(task, at)
        _line_up(state, tenant, task, at)
    else:
        _ask_again_later(state, tenant, task)


def _ask_again_later(state: State, tenant: Tenant, task: Task) -> None:
    if asks_again := asks_again_at(tenant, task):
        state.timers.set(AskAgainDue(tenant.id, task.submitted.task_id), asks_again)


def _queued(state: State, it: Queued, at: int) -> None:
    submitted = it.task
    tenant = state.tenant(submitted.tenant_id)
    task = tenant.tasks.get(submitted.task_id)
    if task is None:
        task = tenant.tasks[submitted.task_id] = Task(
            submitted,
            it.revision,
            tenant.priority(submitted),
            waits_since=min(submitted.enqueued_at, at),
        )
        new = True
    else:
        tenant.take_out(task, at)
        new = task.held or task.submitted.queue_id != submitted.queue_id
        if task.held:
            _release(state, tenant, task, task.agent_id, at)
        task.priority = tenant.priority(submitted)
        if new:
            task.waits_since = at
    task.submitted = submitted
    task.revision = it.revision
    if it.excluded != task.excluded:
        for agent_id in set(it.excluded).difference(task.excluded):
            refuse(tenant, task, tenant.agent(agent_id), 0)
        exclude(tenant, task, it.excluded)
    task.kept_for, task.kept_until = it.kept_for, it.kept_until
    task.relaxed = steps_due(tenant.queue(submitted.queue_id), submitted.enqueued_at, at)
    _line_up(state, tenant, task, at, new=new)


def _widened(state: State, it: Widened, at: int) -> None:
    tenant = state.tenants[it.tenant_id]
    task = tenant.tasks[it.task_id]
    tenant.take_out(task, at)
    task.relaxed = it.relaxed
    if not it.kept_for:
        task.kept_for, task.kept_until = "", 0
    _line_up(state, tenant, task, at)


def _line_up(state: State, tenant: Tenant, task: Task, at: int, *, new: bool = False) -> None:
    tenant.line_up(task)
    tenant.begin_wait(task, at, new=new)
    if task.widens_at:
        state.timers.set(WideningDue(tenant.id, task.submitted.task_id), task.widens_at)
    if waits_until := leaves_at(tenant, task):
        state.timers.set(WaitedTooLong(tenant.id, task.submitted.task_id), waits_until)
    _ask_again_later(state, tenant, task)


def _offered(state: State, it: Offered, at: int) -> None:
    tenant = state.tenants[it.tenant_id]
    task = tenant.tasks[it.task_id]
    if task.demand is not None and task.demand.selection is AgentSelection.ROUND_ROBIN:
        state.order += 1
        tenant.agent(it.agent_id).turns[it.queue_id] = state.order
    _load(state, tenant, task, it.agent_id, at)
    task.revision = it.revision
    task.offers[it.agent_id] = it.expires_at
    state.timers.set(OfferRangOut(it.tenant_id, it.task_id), task.expires_at)


def _offer_closed(state: State, it: OfferClosed, at: int) -> None:
    tenant = state.tenants[it.tenant_id]
    task = tenant.tasks[it.task_id]
    _release(state, tenant, task, it.agent_id, at)
    task.revision = it.revision
    if it.end.refused:
        refuse(tenant, task, tenant.agent(it.agent_id), at)
        _ask_again_later(state, tenant, task)
    state.timers.set(OfferRangOut(it.tenant_id, it.task_id), task.expires_at)


def _assigned(state: State, it: Assigned, at: int) -> None:
    tenant = state.tenants[it.tenant_id]
    task = tenant.tasks[it.task_id]
    tenant.take_out(task, at, started=True)
    if task.wait is not None:
        tenant.pace(it.queue_id).over(task.wait, at)
        task.wait = None
    if it.agent_id not in task.offers:
        _load(state, tenant, task, it.agent_id, at)
    task.revision = it.revision
    task.offers.clear()
    task.agent_id = it.agent_id
    forget(tenant, task, tenant.agent(it.agent_id))
    _remember(tenant, task, at)


def _after_service_started(state: State, it: AfterServiceStarted, _at: int) -> None:
    task = state.tenants[it.tenant_id].tasks[it.task_id]
    task.revision = it.revision
    task.after_service = AfterServiceSpan(it.ends_at)
    state.timers.set(AfterServiceRanOut(it.tenant_id, it.task_id), it.ends_at)


def _completed(state: State, it: Completed, at: int) -> None:
    tenant = state.tenants[it.tenant_id]
    task = tenant.tasks[it.task_id]
    _remember(tenant, task, at)
    _release(state, tenant, task, it.agent_id, at)
    _end(tenant, it.task_id, at)


def _remember(tenant: Tenant, task: Task, at: int) -> None:
    """Note whom the contact knows now, where the queue will ask for it."""
    submitted = task.submitted
    sticky = tenant.queue(submitted.queue_id).sticky
    if sticky.to is StickyTo.LAST and submitted.contact_id:
        tenant.last_agents.remember(submitted.contact_id, task.agent_id, at)


def _overflowed(state: State, it: Overflowed, at: int) -> None:
    tenant = state.tenants[it.tenant_id]
    task = tenant.tasks[it.task_id]
    tenant.take_out(task, at)
    task.revision = it.revision
    task.overflowed = (*task.overflowed, it.queue_id)


def _cancelled(state: State, it: Cancelled, at: int) -> None:
    _end(state.tenant(it.tenant_id), it.task_id, at)


def _answered(state: State, it: Answered, at: int) -> None:
    if not it.kept:
        return
    answers = state.tenant(it.tenant_id).answers
    answers.pop(it.request_id, None)
    answers[it.request_id] = Kept(it.reason, it.count, at, it.fingerprint)
    while True:
        oldest = next(iter(answers))
        if answers[oldest].at > at - ANSWERS_KEPT_MS:
            break
        del answers[oldest]


def _load(state: State, tenant: Tenant, task: Task, agent_id: str, at: int) -> None:
    agent = tenant.agent(agent_id)
    tenant.leave_queue(task, at, started=True)
    task.kept_for, task.kept_until, task.widens_at = "", 0, 0
    agent.put(task)
    state.load_changed(agent, at)
    tenant.index.line_up_agent(agent)


def _release(state: State, tenant: Tenant, task: Task, agent_id: str, at: int) -> None:
    agent = tenant.agent(agent_id)
    task.agent_id = ""
    task.offers.pop(agent_id, None)
    task.after_service = None
    agent.let_go(task)
    state.load_changed(agent, at)
    tenant.index.line_up_agent(agent)


def _end(tenant: Tenant, task_id: str, at: int) -> None:
    task = tenant.tasks.pop(task_id, None)
    if task is not None:
        tenant.take_out(task, at)
        for agent_id in task.refused:
            del tenant.agent(agent_id).refused[task_id]
    ended = tenant.ended
    ended[task_id] = at
    while True:
        oldest = next(iter(ended))
        if ended[oldest] > at - ENDED_KEPT_MS:
            break
        del ended[oldest]


_FOLDS: dict[type[Any], Callable[[State, Any, int], None]] = {
    QueueSet: _queue_set,
    QueueModeSet: _queue_mode_set,
    GroupSet: _group_set,
    Vacated: lambda state, it, _at: state.tenant(it.tenant_id).vacate(it),
    OpeningsSet: _openings_set,
    QueueTurned: _queue_turned,
    AgentSet: _agent_set,
    TenantSet: lambda state, it, _at: state.tenant(it.tenant.tenant_id).configure(it.tenant),
    PresenceSet: _presence_set,
    Queued: _queued,
    Widened: _widened,
    PauseOver: _pause_over,
    RefusalsForgotten: _refusals_forgotten,
    Offered: _offered,
    OfferClosed: _offer_closed,
    Assigned: _assigned,
    AfterServiceStarted: _after_service_started,
    Completed: _completed,
    Overflowed: _overflowed,
    Cancelled: _cancelled,
    Acted: lambda *_: None,
    Answered: _answered,
}
