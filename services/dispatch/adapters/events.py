"""What the outside learns of a decision."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.v1 import events_pb2 as public
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.dispatch.domain import decisions as made
from services.dispatch.domain.decisions import Action
from services.dispatch.messages import write_acted, write_overflow


def event_of(decision: made.Decision) -> Message | None:
    """Return the public event, or None for what is nobody else's business."""
    write = _WRITERS.get(type(decision))
    return None if write is None else write(decision)


def events_of(decisions: Iterable[made.Decision]) -> Iterator[tuple[made.Decision, Message | None]]:
    """Return the decisions of a step with their events; an end names who brought it about.

    Not whoever acted otherwise: what was taken back and found its queue closed was ended by nobody.
    """
    acted: dict[str, str] = {}
    for decision in decisions:
        event = event_of(decision)
        if isinstance(decision, made.Acted) and decision.action in ENDING:
            acted[decision.task_id] = decision.actor_id
        elif isinstance(event, ENDS):
            event.ended_by = acted.get(event.task_id, "")
        yield decision, event


ENDING = {Action.TASK_CANCELLED, Action.TASK_COMPLETED, Action.AFTER_SERVICE_FINISHED}
"""Acts of somebody who ends work."""

ENDS = (public.AfterServiceStarted, public.TaskCancelled, public.TaskCompleted)


def _timestamp(millis: int) -> Timestamp:
    return Timestamp(seconds=millis // 1000, nanos=millis % 1000 * 1_000_000)


_WRITERS: dict[type[Any], Callable[[Any], Message]] = {
    made.Queued: lambda d: public.TaskQueued(
        tenant_id=d.task.tenant_id,
        task_id=d.task.task_id,
        revision=d.revision,
        queue_id=d.task.queue_id,
        enqueued_at=_timestamp(d.task.enqueued_at),
        group_id=d.task.group_id,
        channel=directory.TaskChannel.ValueType(d.task.channel),
    ),
    made.Offered: lambda d: public.TaskOffered(
        tenant_id=d.tenant_id,
        task_id=d.task_id,
        revision=d.revision,
        queue_id=d.queue_id,
        agent_id=d.agent_id,
        expires_at=_timestamp(d.expires_at),
        group_id=d.group_id,
        also_ringing_agent_ids=d.also_ringing,
        channel=directory.TaskChannel.ValueType(d.channel),
    ),
    made.OfferClosed: lambda d: public.OfferEnded(
        tenant_id=d.tenant_id,
        task_id=d.task_id,
        revision=d.revision,
        queue_id=d.queue_id,
        agent_id=d.agent_id,
        end=public.OfferEnd.ValueType(d.end),
        also_ringing_agent_ids=d.also_ringing,
        expires_at=_timestamp(d.expires_at) if d.expires_at else None,
        channel=directory.TaskChannel.ValueType(d.channel),
    ),
    made.Assigned: lambda d: public.TaskAssigned(
        tenant_id=d.tenant_id,
        task_id=d.task_id,
        revision=d.revision,
        queue_id=d.queue_id,
        agent_id=d.agent_id,
        assigned_by=d.assigned_by,
        channel=directory.TaskChannel.ValueType(d.channel),
    ),
    made.Completed: lambda d: public.TaskCompleted(
        tenant_id=d.tenant_id,
        task_id=d.task_id,
        revision=d.revision,
        queue_id=d.queue_id,
        agent_id=d.agent_id,
        forced=d.forced,
        channel=directory.TaskChannel.ValueType(d.channel),
    ),
    made.Overflowed: lambda d: public.TaskOverflowed(
        tenant_id=d.tenant_id,
        task_id=d.task_id,
        revision=d.revision,
        queue_id=d.queue_id,
        cause=public.TaskOverflowed.Cause.ValueType(d.cause),
        overflow=write_overflow(d.overflow),
    ),
    made.AfterServiceStarted: lambda d: public.AfterServiceStarted(
        tenant_id=d.tenant_id,
        task_id=d.task_id,
        revision=d.revision,
        queue_id=d.queue_id,
        agent_id=d.agent_id,
        ends_at=_timestamp(d.ends_at) if d.ends_at else None,
        channel=directory.TaskChannel.ValueType(d.channel),
    ),
    made.Acted: write_acted,
    made.Cancelled: lambda d: public.TaskCancelled(
        tenant_id=d.tenant_id,
        task_id=d.task_id,
        revision=d.revision,
        queue_id=d.queue_id,
        message=d.message,
    ),
}
