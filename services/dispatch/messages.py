"""What a queue wants done with its tasks, and what was done to it: in the logs and in messages."""

from collections.abc import Iterable
from typing import Any

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.dispatch.v1.dispatch_service_pb2 import (
    CheckTasksResponse,
    GetQueueStatusResponse,
    GetWaitResponse,
)

from services.dispatch.domain.decisions import Acted, Action
from services.dispatch.domain.estimates import Estimate
from services.dispatch.domain.inputs import OpeningsForeseen
from services.dispatch.domain.policy import (
    AfterService,
    AfterServiceMode,
    BusinessHours,
    OnAgentLost,
    Overflow,
    OverflowTo,
    Policy,
    Span,
)
from services.dispatch.use_cases.tasks import Checked

LONGEST_WAIT_MS = 7 * 24 * 3_600_000
LONGEST_AFTER_SERVICE_MS = 3_600_000


def policy_of(queue: directory.Queue) -> Policy:
    """Return what the directory says of a queue."""
    after = queue.after_service
    return read_policy(
        wire.QueuePolicy(
            max_wait_ms=queue.max_wait.ToMilliseconds(),
            max_waiting=queue.max_waiting,
            overflow=queue.overflow,
            overflow_when_nobody=queue.overflow_when_nobody,
            business_hours=queue.business_hours if queue.HasField("business_hours") else None,
            after_service=after.mode,
            after_service_limit_ms=after.limit.ToMilliseconds(),
            after_service_extension_ms=after.extension.ToMilliseconds(),
            on_agent_lost=queue.on_agent_lost,
        )
    )


def write_policy(policy: Policy) -> wire.QueuePolicy:
    after = policy.after_service
    return wire.QueuePolicy(
        max_wait_ms=policy.max_wait_ms,
        max_waiting=policy.max_waiting,
        overflow=write_overflow(policy.overflow),
        overflow_when_nobody=policy.overflow_when_nobody,
        business_hours=None if policy.hours is None else _write_hours(policy.hours, policy.closed),
        after_service=directory.AfterService.Mode.ValueType(after.mode),
        after_service_limit_ms=after.limit_ms,
        after_service_extension_ms=after.extension_ms,
        on_agent_lost=directory.OnAgentLost.ValueType(policy.on_agent_lost),
    )


def read_policy(policy: wire.QueuePolicy) -> Policy:
    """Read a policy; times stay within what a record can hold, whatever was configured."""
    hours = policy.business_hours
    return Policy(
        max_wait_ms=_within(policy.max_wait_ms, LONGEST_WAIT_MS),
        max_waiting=policy.max_waiting,
        overflow=read_overflow(policy.overflow),
        overflow_when_nobody=policy.overflow_when_nobody,
        hours=_read_hours(hours) if policy.HasField("business_hours") else None,
        after_service=AfterService(
            AfterServiceMode(policy.after_service),
            _within(policy.after_service_limit_ms, LONGEST_AFTER_SERVICE_MS),
            _within(policy.after_service_extension_ms, LONGEST_AFTER_SERVICE_MS),
        ),
        on_agent_lost=OnAgentLost(policy.on_agent_lost or OnAgentLost.HOLD),
    )


def write_overflow(overflow: Overflow) -> directory.Overflow:
    match overflow.to:
        case OverflowTo.QUEUE:
            return directory.Overflow(queue_id=overflow.what)
        case OverflowTo.GROUP:
            return directory.Overflow(group_id=overflow.what)
        case OverflowTo.MESSAGE:
            return directory.Overflow(message=overflow.what)
        case OverflowTo.VOICEMAIL:
            return directory.Overflow(voicemail=True)
        case _:
            return directory.Overflow(end=True)


def read_overflow(overflow: directory.Overflow) -> Overflow:
    match overflow.WhichOneof("target"):
        case "queue_id":
            return Overflow(OverflowTo.QUEUE, overflow.queue_id)
        case "group_id":
            return Overflow(OverflowTo.GROUP, overflow.group_id)
        case "message":
            return Overflow(OverflowTo.MESSAGE, overflow.message)
        case "voicemail":
            return Overflow(OverflowTo.VOICEMAIL)
        case _:
            return Overflow()


def write_acted(acted: Acted) -> public.SupervisorActed:
    it = public.SupervisorActed(
        tenant_id=acted.tenant_id,
        actor_id=acted.actor_id,
        action=public.SupervisorActed.Action.ValueType(acted.action),
        queue_id=acted.queue_id,
        task_id=acted.task_id,
        agent_id=acted.agent_id,
        target_queue_id=acted.target_queue_id,
        tasks=acted.tasks,
        group_id=acted.group_id,
    )
    it.at.FromMilliseconds(acted.at)
    return it


def read_acted(it: public.SupervisorActed) -> Acted:
    return Acted(
        it.tenant_id,
        it.actor_id,
        Action(it.action),
        it.at.ToMilliseconds(),
        it.queue_id,
        it.task_id,
        it.agent_id,
        it.target_queue_id,
        it.tasks,
        it.group_id,
    )


def foretell(answer: GetWaitResponse | GetQueueStatusResponse, it: Estimate | None) -> None:
    """Write a wait into an answer, if anybody can say."""
    if it is not None:
        answer.p50.FromMilliseconds(round(it.p50))
        answer.p90.FromMilliseconds(round(it.p90))


def write_checked(found: Checked) -> CheckTasksResponse:
    """Return how tasks stand as it is told, here and to the service that asks."""
    answer = CheckTasksResponse(unknown_task_ids=found.unknown)
    for task_id, at in found.ended.items():
        answer.ended.add(task_id=task_id).ended_at.FromMilliseconds(at)
    return answer


def write_openings(openings: OpeningsForeseen) -> wire.OpeningsForeseen:
    return wire.OpeningsForeseen(
        queue_id=openings.queue_id,
        version=openings.version,
        openings=[
            wire.Opening(opens_ms=opens, closes_ms=closes) for opens, closes in openings.openings
        ],
        until_ms=openings.until,
    )


def read_openings(tenant_id: str, openings: wire.OpeningsForeseen) -> OpeningsForeseen:
    return OpeningsForeseen(
        tenant_id,
        openings.queue_id,
        openings.version,
        tuple((opening.opens_ms, opening.closes_ms) for opening in openings.openings),
        openings.until_ms,
    )


def _write_hours(hours: BusinessHours, closed: Overflow) -> directory.BusinessHours:
    """Spell out where tasks go outside: routers of before took an unset overflow for the end."""
    return directory.BusinessHours(
        time_zone=hours.time_zone,
        weekly=_write_spans(hours.weekly),
        exceptions=[
            directory.OpenDate(date=date, spans=_write_spans(spans))
            for date, spans in hours.exceptions
        ],
        overflow=write_overflow(closed),
    )


def _read_hours(hours: directory.BusinessHours) -> BusinessHours:
    return BusinessHours(
        hours.time_zone,
        _read_spans(hours.weekly),
        tuple((each.date, _read_spans(each.spans)) for each in hours.exceptions),
        read_overflow(hours.overflow) if hours.HasField("overflow") else None,
    )


def _write_spans(spans: Iterable[Span]) -> list[directory.OpenSpan]:
    return [
        directory.OpenSpan(weekday=span.weekday, opens=span.opens, closes=span.closes)
        for span in spans
    ]


def _read_spans(spans: Iterable[Any]) -> tuple[Span, ...]:
    return tuple(Span(span.weekday, span.opens, span.closes) for span in spans)


def _within(given: int, most: int) -> int:
    return max(0, min(given, most))
