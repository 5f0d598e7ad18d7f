"""The router: what it decides on each input. Pure, total, and quick.

`decide` yields decisions one by one and is resumed only when the one before has been folded in
with `evolve`, so each is made on the state that the last one left. It reads no clock, raises on
no input, and leaves one thing true after every step: no free agent and waiting task that suit
each other are left standing.
"""

from typing import Any

from . import overflow
from .configuration import is_news, kept
from .decisions import (
    Action,
    AgentSet,
    Cancelled,
    Decision,
    GroupSet,
    OfferEnd,
    PauseOver,
    PresenceSet,
    Queued,
    QueueModeSet,
    QueueSet,
    Reason,
    RefusalsForgotten,
    TenantSet,
)
from .ending import (
    after_service_ran_out,
    agent_changed,
    extend_after_service,
    finish_after_service,
)
from .following import (
    Decisions,
    Rule,
    acted,
    again,
    answer,
    assigned,
    call_off,
    closed,
    complete,
    find_agent,
    find_work,
    match_queue,
    once,
    place,
    refused,
    settle,
    widened,
)
from .inputs import (
    AcceptOffer,
    AgentConfigured,
    AssignTask,
    CancelTask,
    CompleteTask,
    DeclineOffer,
    ExtendAfterService,
    FinishAfterService,
    GroupConfigured,
    Input,
    MoveTasks,
    OpeningsForeseen,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    ReportUnreachable,
    Role,
    SetQueueMode,
    SubmitTask,
    TakeBackTask,
    TaskClosed,
    TaskSubmitted,
    TenantConfigured,
)
from .parties import Agent, Task
from .refusals import asks_again_at, over, still_excluded
from .removal import vacate
from .requests import cancel_task, report_unreachable, submit_task
from .state import State, evolve
from .sticky import in_vain, keeper_of
from .supervision import move_tasks, set_queue_mode, take_back_task
from .tenant import Tenant
from .timers import (
    AfterServiceRanOut,
    AskAgainDue,
    HoursTurn,
    OfferRangOut,
    WaitedTooLong,
    WideningDue,
)
from .vacate import Vacate
from .waiting import hours_turn, let_go, openings_foreseen, waited_too_long


def step(state: State, it: Input, at: int) -> list[Decision]:
    """Decide on one input and fold what was decided."""
    decisions = []
    for decision in decide(state, it, at):
        evolve(state, decision, at)
        decisions.append(decision)
    return decisions


def decide(state: State, it: Input, at: int) -> Decisions:
    """Yield what follows from one input at the moment `at`. See the module."""
    tenant = state.tenant(it.tenant_id)
    return _RULES[type(it)](tenant, it, at)


# Facts


def _queue_configured(tenant: Tenant, it: QueueConfigured, at: int) -> Decisions:
    if not is_news(tenant, it):
        return
    yield QueueSet(kept(it))
    if it.removed and it.queue_id in tenant.modes:
        yield QueueModeSet(it.tenant_id, it.queue_id, QueueMode.OPEN)
    for task in list(tenant.index.kept(it.queue_id)):
        if in_vain(tenant, task):
            yield widened(tenant, task, at)
    yield from match_queue(tenant, it.queue_id, at)
    yield from let_go(tenant, (it.queue_id,), at)


def _group_configured(tenant: Tenant, it: GroupConfigured, at: int) -> Decisions:
    if not is_news(tenant, it):
        return
    yield GroupSet(kept(it))
    members = set(tenant.groups.members(it.group_id))
    concerned = set(members)
    # What goes back to its queue because its group is no more, and whether that is another now.
    back: dict[Task, bool] = {}
    for task in tenant.groups.line(it.group_id):
        left = sorted(task.offers.keys() - members)
        concerned.update(left)
        yield from closed(task, left, OfferEnd.RESCINDED)
        there = overflow.home(tenant, task)
        if there != task.submitted:
            back[task] = there.queue_id != task.submitted.queue_id
        if task in back or (left and not task.rings):
            yield again(tenant, task, at)
    present = [tenant.agents[it] for it in sorted(concerned) if it in tenant.agents]
    yield from settle(tenant, back, present, at)


def _agent_configured(tenant: Tenant, it: AgentConfigured, at: int) -> Decisions:
    if it.version and not is_news(tenant, it):
        return
    was = tenant.staff.place_of(it.agent_id)
    yield AgentSet(kept(it))
    yield from agent_changed(tenant, tenant.agents[it.agent_id], at, gone=it.removed)
    yield from let_go(tenant, tenant.staff.without(was), at)


def _tenant_configured(tenant: Tenant, it: TenantConfigured, at: int) -> Decisions:
    if not is_news(tenant, it):
        return
    yield TenantSet(kept(it))
    changed = [agent for agent in tenant.inheriting if agent.receiving]
    yield from find_work(tenant, changed, at)
    yield from let_go(tenant, sorted(tenant.queues), at)


def _presence_observed(tenant: Tenant, it: PresenceObserved, at: int) -> Decisions:
    known = tenant.agents.get(it.agent_id)
    if known is not None and 0 < it.version <= known.presence.version:
        return
    chose_ready = known is not None and it.ready_at > known.presence.ready_at
    was = tenant.staff.place_of(it.agent_id)
    yield PresenceSet(it)
    agent = tenant.agents[it.agent_id]
    if chose_ready and agent.receiving and agent.refused:
        yield RefusalsForgotten(it.tenant_id, it.agent_id)
    yield from agent_changed(tenant, agent, at, gone=not it.connected)
    yield from let_go(tenant, tenant.staff.without(was), at)


def _task_submitted(tenant: Tenant, it: TaskSubmitted, at: int) -> Decisions:
    if it.task_id in tenant.tasks or it.task_id in tenant.ended:
        return
    there = tenant.led_on(it)
    kept_for, kept_until = keeper_of(tenant, there, at)
    yield Queued(there, 1, (), kept_for, kept_until)
    yield from place(tenant, tenant.tasks[it.task_id], at, new=True)


def _task_closed(tenant: Tenant, it: TaskClosed, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None:
        if it.task_id not in tenant.ended:
            yield Cancelled(it.tenant_id, it.task_id, "", 1)
    elif task.held:
        if it.closed_by not in {"", task.agent_id} and task.after_service is None:
            yield acted(it.closed_by, Action.TASK_COMPLETED, task, at)
        yield from complete(tenant, task, at)
    else:
        if it.closed_by:
            yield acted(it.closed_by, Action.TASK_CANCELLED, task, at)
        end = OfferEnd.CANCELLED if it.closed_by else OfferEnd.CALLER_GAVE_UP
        yield from call_off(tenant, task, end, at)


def _offer_rang_out(tenant: Tenant, it: OfferRangOut, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is not None:
        late = [agent_id for agent_id in sorted(task.offers) if task.offers[agent_id] <= at]
        if late:
            yield from refused(tenant, task, late, OfferEnd.TIMED_OUT, at)


def _widening_due(tenant: Tenant, it: WideningDue, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is not None and 0 < task.widens_at <= at:
        yield widened(tenant, task, at, task.kept_for if task.kept_until > at else "")
        yield from find_agent(tenant, task, at)


def _ask_again(tenant: Tenant, it: AskAgainDue, at: int) -> Decisions:
    """Go on with all that may ring again at those whose pause is over, not with this task only."""
    task = tenant.tasks.get(it.task_id)
    if task is None or not 0 < asks_again_at(tenant, task) <= at:
        return
    waited = set(task.excluded).difference(still_excluded(tenant, task, at))
    agents = [tenant.agents[agent_id] for agent_id in sorted(waited)]
    for agent in agents:
        yield PauseOver(tenant.id, agent.id, over(tenant, agent, at))
    yield from find_work(tenant, agents, at)


# Commands


def _accept_offer(tenant: Tenant, it: AcceptOffer, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if (no := _not_rung(tenant, task, it)) is not None or task is None:
        yield answer(it, no or Reason.TASK_NOT_FOUND)
        return
    others = sorted(task.offers.keys() - {it.agent_id})
    yield from closed(task, others, OfferEnd.TAKEN_ELSEWHERE)
    yield assigned(task, it.agent_id)
    yield from find_work(tenant, [tenant.agents[other] for other in others], at)
    yield answer(it, Reason.DONE)


def _decline_offer(tenant: Tenant, it: DeclineOffer, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if (no := _not_rung(tenant, task, it)) is not None or task is None:
        yield answer(it, no or Reason.TASK_NOT_FOUND)
        return
    yield from refused(tenant, task, [it.agent_id], OfferEnd.DECLINED, at)
    yield answer(it, Reason.DONE)


def _assign_task(tenant: Tenant, it: AssignTask, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None:
        yield answer(it, Reason.TASK_NOT_FOUND)
        return
    if (no := _not_assignable(tenant, task, it)) is not None:
        yield answer(it, no)
        return
    others = sorted(task.offers.keys() - {it.assignee_id})
    yield from closed(task, others, OfferEnd.RESCINDED)
    yield assigned(task, it.assignee_id, by=it.actor_id)
    yield from find_work(tenant, [tenant.agents[other] for other in others], at)
    yield answer(it, Reason.DONE)


def _complete_task(tenant: Tenant, it: CompleteTask, at: int) -> Decisions:
    task = tenant.tasks.get(it.task_id)
    if task is None:
        yield answer(it, Reason.TASK_NOT_FOUND)
    elif not task.held:
        yield answer(it, Reason.TASK_NOT_ASSIGNED)
    elif task.agent_id != it.actor_id and it.actor_role < Role.SUPERVISOR:
        yield answer(it, Reason.TASK_NOT_YOURS)
    else:
        if task.agent_id != it.actor_id and task.after_service is None:
            yield acted(it.actor_id, Action.TASK_COMPLETED, task, at)
        yield from complete(tenant, task, at)
        yield answer(it, Reason.DONE)


def _not_rung(tenant: Tenant, task: Task | None, it: AcceptOffer | DeclineOffer) -> Reason | None:
    """Say why not. A deadline has passed when its timer has been decided, and not before."""
    if task is None:
        known = it.task_id in tenant.ended
        return Reason.OFFER_NOT_YOURS if known else Reason.TASK_NOT_FOUND
    if it.agent_id not in task.offers:
        return Reason.OFFER_NOT_YOURS
    return None


def _not_assignable(tenant: Tenant, task: Task, it: AssignTask) -> Reason | None:
    actor = tenant.agents.get(it.actor_id)
    if it.actor_role < Role.MANAGER and (actor is None or not tenant.reaches(task, actor)):
        return Reason.TASK_NOT_IN_YOUR_QUEUES
    if task.held:
        return Reason.TASK_ALREADY_ASSIGNED
    return _not_takeable(tenant, task, tenant.agents.get(it.assignee_id))


def _not_takeable(tenant: Tenant, task: Task, assignee: Agent | None) -> Reason | None:
    if assignee is None or assignee.config.removed or not tenant.reaches(task, assignee):
        return Reason.ASSIGNEE_NOT_IN_QUEUE
    if not assignee.presence.connected:
        return Reason.ASSIGNEE_NOT_CONNECTED
    if not assignee.handles(task.load):
        return Reason.ASSIGNEE_CANNOT_TAKE_CHANNEL
    reserved = task.load if assignee.id in task.offers else None
    if not assignee.fits(task.load, instead_of=reserved):
        return Reason.ASSIGNEE_AT_CAPACITY
    return None


_RULES: dict[type[Any], Rule] = {
    QueueConfigured: _queue_configured,
    GroupConfigured: _group_configured,
    OpeningsForeseen: openings_foreseen,
    TenantConfigured: _tenant_configured,
    AgentConfigured: _agent_configured,
    PresenceObserved: _presence_observed,
    TaskSubmitted: _task_submitted,
    TaskClosed: _task_closed,
    OfferRangOut: _offer_rang_out,
    WaitedTooLong: waited_too_long,
    WideningDue: _widening_due,
    AskAgainDue: _ask_again,
    AfterServiceRanOut: after_service_ran_out,
    HoursTurn: hours_turn,
    AcceptOffer: once(_accept_offer),
    DeclineOffer: once(_decline_offer),
    AssignTask: once(_assign_task),
    CompleteTask: once(_complete_task),
    FinishAfterService: once(finish_after_service),
    ExtendAfterService: once(extend_after_service),
    SubmitTask: once(submit_task),
    ReportUnreachable: once(report_unreachable),
    CancelTask: once(cancel_task),
    TakeBackTask: once(take_back_task),
    SetQueueMode: once(set_queue_mode),
    MoveTasks: once(move_tasks),
    Vacate: once(vacate),
}
