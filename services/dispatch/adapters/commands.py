"""Commands as they lie in the input log."""

from collections.abc import Callable
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.options.v1 import options_pb2 as options

from services.dispatch.domain import inputs as it
from services.dispatch.domain.inputs import QueueMode, Role
from services.dispatch.domain.vacate import Vacate


def rank(role: Role) -> options.Role.ValueType:
    return options.Role.ValueType(role)


READERS: dict[str, Callable[[wire.Input], it.Command]] = {
    "accept_offer": lambda m: it.AcceptOffer(
        m.tenant_id,
        m.accept_offer.task_id,
        m.accept_offer.agent_id,
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "decline_offer": lambda m: it.DeclineOffer(
        m.tenant_id,
        m.decline_offer.task_id,
        m.decline_offer.agent_id,
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "assign_task": lambda m: it.AssignTask(
        m.tenant_id,
        m.assign_task.task_id,
        m.assign_task.actor_id,
        Role(m.assign_task.actor_role),
        m.assign_task.assignee_id,
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "finish_after_service": lambda m: it.FinishAfterService(
        m.tenant_id,
        m.finish_after_service.task_id,
        m.finish_after_service.actor_id,
        Role(m.finish_after_service.actor_role),
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "extend_after_service": lambda m: it.ExtendAfterService(
        m.tenant_id,
        m.extend_after_service.task_id,
        m.extend_after_service.agent_id,
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "report_unreachable": lambda m: it.ReportUnreachable(
        m.tenant_id,
        m.report_unreachable.task_id,
        m.report_unreachable.agent_id,
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "cancel_task": lambda m: it.CancelTask(
        m.tenant_id,
        m.cancel_task.task_id,
        m.cancel_task.actor_id,
        Role(m.cancel_task.actor_role),
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "take_back_task": lambda m: it.TakeBackTask(
        m.tenant_id,
        m.take_back_task.task_id,
        m.take_back_task.actor_id,
        Role(m.take_back_task.actor_role),
        m.take_back_task.exclude_agent,
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "set_queue_mode": lambda m: it.SetQueueMode(
        m.tenant_id,
        m.set_queue_mode.queue_id,
        QueueMode(m.set_queue_mode.mode or QueueMode.OPEN),
        m.set_queue_mode.actor_id,
        Role(m.set_queue_mode.actor_role),
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "move_tasks": lambda m: it.MoveTasks(
        m.tenant_id,
        m.move_tasks.queue_id,
        m.move_tasks.target_queue_id,
        m.move_tasks.actor_id,
        Role(m.move_tasks.actor_role),
        tuple(m.move_tasks.task_ids),
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "vacate": lambda m: Vacate(
        m.tenant_id,
        m.vacate.queue_id,
        m.vacate.group_id,
        m.vacate.version,
        m.vacate.target_queue_id,
        m.vacate.actor_id,
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "complete_task": lambda m: it.CompleteTask(
        m.tenant_id,
        m.complete_task.task_id,
        m.complete_task.actor_id,
        Role(m.complete_task.actor_role),
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
}

WRITERS: dict[type[Any], Callable[[Any], wire.Input]] = {
    it.AcceptOffer: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        accept_offer=wire.AcceptOffer(task_id=e.task_id, agent_id=e.agent_id),
    ),
    it.DeclineOffer: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        decline_offer=wire.DeclineOffer(task_id=e.task_id, agent_id=e.agent_id),
    ),
    it.AssignTask: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        assign_task=wire.AssignTask(
            task_id=e.task_id,
            actor_id=e.actor_id,
            actor_role=rank(e.actor_role),
            assignee_id=e.assignee_id,
        ),
    ),
    it.FinishAfterService: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        finish_after_service=wire.FinishAfterService(
            task_id=e.task_id, actor_id=e.actor_id, actor_role=rank(e.actor_role)
        ),
    ),
    it.ExtendAfterService: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        extend_after_service=wire.ExtendAfterService(task_id=e.task_id, agent_id=e.agent_id),
    ),
    it.ReportUnreachable: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        report_unreachable=wire.ReportUnreachable(task_id=e.task_id, agent_id=e.agent_id),
    ),
    it.CancelTask: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        cancel_task=wire.CancelTask(
            task_id=e.task_id, actor_id=e.actor_id, actor_role=rank(e.actor_role)
        ),
    ),
    it.TakeBackTask: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        take_back_task=wire.TakeBackTask(
            task_id=e.task_id,
            actor_id=e.actor_id,
            actor_role=rank(e.actor_role),
            exclude_agent=e.exclude_agent,
        ),
    ),
    it.SetQueueMode: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        set_queue_mode=wire.SetQueueMode(
            queue_id=e.queue_id,
            mode=public.QueueMode.ValueType(e.mode),
            actor_id=e.actor_id,
            actor_role=rank(e.actor_role),
        ),
    ),
    it.MoveTasks: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        move_tasks=wire.MoveTasks(
            queue_id=e.queue_id,
            target_queue_id=e.target_queue_id,
            actor_id=e.actor_id,
            actor_role=rank(e.actor_role),
            task_ids=e.task_ids,
        ),
    ),
    Vacate: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        vacate=wire.Vacate(
            queue_id=e.queue_id,
            group_id=e.group_id,
            version=e.version,
            target_queue_id=e.target_queue_id,
            actor_id=e.actor_id,
        ),
    ),
    it.CompleteTask: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        complete_task=wire.CompleteTask(
            task_id=e.task_id, actor_id=e.actor_id, actor_role=rank(e.actor_role)
        ),
    ),
}
