"""Decisions as they lie in the journal."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from google.protobuf.message import DecodeError

from services.dispatch.domain import decisions as made
from services.dispatch.domain.decisions import Action, OfferEnd, Reason
from services.dispatch.domain.inputs import Channel, QueueMode
from services.dispatch.domain.policy import OverflowCause
from services.dispatch.messages import read_openings, read_overflow, write_openings, write_overflow
from services.dispatch.use_cases.ports import Position, Record, Step

from .inputs import (
    read_agent,
    read_group,
    read_presence,
    read_queue,
    read_task,
    read_tenant,
    write_agent,
    write_group,
    write_presence,
    write_queue,
    write_task,
    write_tenant,
)
from .states import read_vacated, write_vacated

CHAIN_BYTES = 16
_CHAIN_FIELD = bytes([wire.Record.CHAIN_FIELD_NUMBER << 3 | 2, CHAIN_BYTES])
"""How the field that holds a chain begins."""


def encode_record(  # noqa: PLR0913 - the fields of a record
    cursor: int,
    steps: Sequence[Step],
    *,
    chain: bytes,
    emitted: int,
    owner_id: str,
    goes_on: bool = False,
) -> tuple[bytes, bytes]:
    """Return a record's bytes and the chain after it."""
    body = wire.Record(
        input_cursor=cursor, steps=[_write_step(step) for step in steps]
    ).SerializeToString(deterministic=True)
    chain = next_chain(chain, body)
    tail = wire.Record(chain=chain, emitted=emitted, owner_id=owner_id, goes_on=goes_on)
    # Fields of a message may be written one after the other: this is the whole record.
    return body + tail.SerializeToString(), chain


def decode_record(sequence: int, data: bytes) -> Record:
    return read_record(sequence, wire.Record.FromString(data))


def read_record(sequence: int, message: wire.Record) -> Record:
    return Record(
        Position(sequence, message.input_cursor, message.chain, message.emitted),
        tuple(_read_step(step) for step in message.steps),
    )


def next_chain(chain: bytes, body: bytes) -> bytes:
    """Hash a record's cursor and steps onto the chain of the record before."""
    return blake2b(chain + body, digest_size=CHAIN_BYTES).digest()


class Signed(NamedTuple):
    """What a record says: that `chain` is the hash of its `body` on top of the chain before."""

    chain: bytes
    body: bytes
    message: wire.Record


def signed(data: bytes) -> Signed | None:
    """Return what a record says of itself; None for what says nothing.

    Its body is taken as written: made again, what a newer version put in would change places.
    """
    try:
        message = wire.Record.FromString(data)
    except DecodeError:
        return None
    chain = message.chain
    ends = data.rfind(_CHAIN_FIELD + chain) if len(chain) == CHAIN_BYTES else -1
    return None if ends < 0 else Signed(chain, data[:ends], message)


def _write_step(step: Step) -> wire.Step:
    return wire.Step(
        input_sequence=step.input_sequence,
        at_ms=step.at,
        decisions=[_WRITERS[type(decision)](decision) for decision in step.decisions],
    )


def _read_step(step: wire.Step) -> Step:
    return Step(
        step.input_sequence,
        step.at_ms,
        tuple(_read_decision(decision) for decision in step.decisions),
    )


def _read_decision(decision: wire.Decision) -> made.Decision:
    kind = decision.WhichOneof("body")
    if kind is None:
        raise UnknownDecision("A decision of a newer version stands in the journal.")
    return _READERS[kind](getattr(decision, kind))


class UnknownDecision(Exception):
    """This version cannot fold the journal: it must not lead."""


def _write_agent_set(it: made.AgentSet) -> wire.Decision:
    said = wire.AgentSet(tenant_id=it.agent.tenant_id, agent=write_agent(it.agent))
    if said.agent.takes_nothing:
        return wire.Decision(agent_set_taking_nothing=said)
    return wire.Decision(agent_set=said)


def _write_queue_set(it: made.QueueSet) -> wire.Decision:
    said = wire.QueueSet(tenant_id=it.queue.tenant_id, queue=write_queue(it.queue))
    if said.queue.ask_again_after_ms:
        return wire.Decision(queue_set_asking_again=said)
    return wire.Decision(queue_set=said)


def _write_group_set(it: made.GroupSet) -> wire.Decision:
    said = wire.GroupSet(tenant_id=it.group.tenant_id, group=write_group(it.group))
    if said.group.ask_again_after_ms:
        return wire.Decision(group_set_asking_again=said)
    return wire.Decision(group_set=said)


_WRITERS: dict[type[Any], Callable[[Any], wire.Decision]] = {
    made.QueueSet: _write_queue_set,
    made.QueueModeSet: lambda d: wire.Decision(
        queue_mode_set=wire.QueueModeSet(
            tenant_id=d.tenant_id, queue_id=d.queue_id, mode=public.QueueMode.ValueType(d.mode)
        )
    ),
    made.Acted: lambda d: wire.Decision(
        acted=wire.Acted(
            tenant_id=d.tenant_id,
            actor_id=d.actor_id,
            action=public.SupervisorActed.Action.ValueType(d.action),
            queue_id=d.queue_id,
            task_id=d.task_id,
            agent_id=d.agent_id,
            target_queue_id=d.target_queue_id,
            tasks=d.tasks,
            at_ms=d.at,
            group_id=d.group_id,
        )
    ),
    made.Vacated: lambda d: wire.Decision(vacated=write_vacated(d)),
    made.GroupSet: _write_group_set,
    made.AgentSet: _write_agent_set,
    made.TenantSet: lambda d: wire.Decision(
        tenant_set=wire.TenantSet(tenant_id=d.tenant.tenant_id, tenant=write_tenant(d.tenant))
    ),
    made.PresenceSet: lambda d: wire.Decision(
        presence_set=wire.PresenceSet(
            tenant_id=d.presence.tenant_id, presence=write_presence(d.presence)
        )
    ),
    made.Queued: lambda d: wire.Decision(
        queued=wire.Queued(
            tenant_id=d.task.tenant_id,
            task=write_task(d.task),
            revision=d.revision,
            excluded=d.excluded,
            kept_for=d.kept_for,
            kept_until_ms=d.kept_until,
        )
    ),
    made.Widened: lambda d: wire.Decision(
        widened=wire.Widened(
            tenant_id=d.tenant_id, task_id=d.task_id, relaxed=d.relaxed, kept_for=d.kept_for
        )
    ),
    made.PauseOver: lambda d: wire.Decision(
        pause_over=wire.PauseOver(tenant_id=d.tenant_id, agent_id=d.agent_id, task_ids=d.task_ids)
    ),
    made.RefusalsForgotten: lambda d: wire.Decision(
        refusals_forgotten=wire.RefusalsForgotten(tenant_id=d.tenant_id, agent_id=d.agent_id)
    ),
    made.Offered: lambda d: wire.Decision(
        offered=wire.Offered(
            tenant_id=d.tenant_id,
            task_id=d.task_id,
            queue_id=d.queue_id,
            revision=d.revision,
            agent_id=d.agent_id,
            expires_at_ms=d.expires_at,
            group_id=d.group_id,
            also_ringing_agent_ids=d.also_ringing,
            channel=directory.TaskChannel.ValueType(d.channel),
        )
    ),
    made.OfferClosed: lambda d: wire.Decision(
        offer_closed=wire.OfferClosed(
            tenant_id=d.tenant_id,
            task_id=d.task_id,
            queue_id=d.queue_id,
            revision=d.revision,
            agent_id=d.agent_id,
            end=public.OfferEnd.ValueType(d.end),
            also_ringing_agent_ids=d.also_ringing,
            expires_at_ms=d.expires_at,
            channel=directory.TaskChannel.ValueType(d.channel),
        )
    ),
    made.Assigned: lambda d: wire.Decision(
        assigned=wire.Assigned(
            tenant_id=d.tenant_id,
            task_id=d.task_id,
            queue_id=d.queue_id,
            revision=d.revision,
            agent_id=d.agent_id,
            assigned_by=d.assigned_by,
            channel=directory.TaskChannel.ValueType(d.channel),
        )
    ),
    made.Completed: lambda d: wire.Decision(
        completed=wire.Completed(
            tenant_id=d.tenant_id,
            task_id=d.task_id,
            queue_id=d.queue_id,
            revision=d.revision,
            agent_id=d.agent_id,
            forced=d.forced,
            channel=directory.TaskChannel.ValueType(d.channel),
        )
    ),
    made.Cancelled: lambda d: wire.Decision(
        cancelled=wire.Cancelled(
            tenant_id=d.tenant_id,
            task_id=d.task_id,
            queue_id=d.queue_id,
            revision=d.revision,
            message=d.message,
        )
    ),
    made.OpeningsSet: lambda d: wire.Decision(
        openings_set=wire.OpeningsSet(
            tenant_id=d.openings.tenant_id, openings=write_openings(d.openings)
        )
    ),
    made.QueueTurned: lambda d: wire.Decision(
        queue_turned=wire.QueueTurned(
            tenant_id=d.tenant_id, queue_id=d.queue_id, open=d.is_open, turns_at_ms=d.turns_at
        )
    ),
    made.Overflowed: lambda d: wire.Decision(
        overflowed=wire.Overflowed(
            tenant_id=d.tenant_id,
            task_id=d.task_id,
            queue_id=d.queue_id,
            revision=d.revision,
            cause=public.TaskOverflowed.Cause.ValueType(d.cause),
            overflow=write_overflow(d.overflow),
        )
    ),
    made.AfterServiceStarted: lambda d: wire.Decision(
        after_service_started=wire.AfterServiceStarted(
            tenant_id=d.tenant_id,
            task_id=d.task_id,
            queue_id=d.queue_id,
            revision=d.revision,
            agent_id=d.agent_id,
            ends_at_ms=d.ends_at,
            channel=directory.TaskChannel.ValueType(d.channel),
        )
    ),
    made.Answered: lambda d: wire.Decision(
        answered=wire.Answered(
            tenant_id=d.tenant_id,
            request_id=d.request_id,
            reason=d.reason,
            reply_to=d.reply_to,
            count=d.count,
            fingerprint=d.fingerprint,
        )
    ),
}


def _read_queue_set(it: wire.QueueSet) -> made.QueueSet:
    return made.QueueSet(read_queue(it.tenant_id, it.queue))


def _read_group_set(it: wire.GroupSet) -> made.GroupSet:
    return made.GroupSet(read_group(it.tenant_id, it.group))


def _channel(made_of: Any) -> Channel:
    """Read a channel; records from before they said so were about chats."""
    return Channel(made_of.channel or Channel.CHAT)


def _read_agent_set(it: wire.AgentSet) -> made.AgentSet:
    return made.AgentSet(read_agent(it.tenant_id, it.agent))


_READERS: dict[str, Callable[[Any], made.Decision]] = {
    "queue_set": _read_queue_set,
    "queue_set_asking_again": _read_queue_set,
    "queue_mode_set": lambda m: made.QueueModeSet(m.tenant_id, m.queue_id, QueueMode(m.mode)),
    "acted": lambda m: made.Acted(
        m.tenant_id,
        m.actor_id,
        Action(m.action),
        m.at_ms,
        m.queue_id,
        m.task_id,
        m.agent_id,
        m.target_queue_id,
        m.tasks,
        m.group_id,
    ),
    "vacated": read_vacated,
    "group_set": _read_group_set,
    "group_set_asking_again": _read_group_set,
    "agent_set": _read_agent_set,
    "agent_set_taking_nothing": _read_agent_set,
    "tenant_set": lambda m: made.TenantSet(read_tenant(m.tenant_id, m.tenant)),
    "presence_set": lambda m: made.PresenceSet(read_presence(m.tenant_id, m.presence)),
    "queued": lambda m: made.Queued(
        read_task(m.tenant_id, m.task),
        m.revision,
        tuple(m.excluded),
        m.kept_for,
        m.kept_until_ms,
    ),
    "widened": lambda m: made.Widened(m.tenant_id, m.task_id, m.relaxed, m.kept_for),
    "pause_over": lambda m: made.PauseOver(m.tenant_id, m.agent_id, tuple(m.task_ids)),
    "refusals_forgotten": lambda m: made.RefusalsForgotten(m.tenant_id, m.agent_id),
    "offered": lambda m: made.Offered(
        m.tenant_id,
        m.task_id,
        m.queue_id,
        m.revision,
        m.agent_id,
        m.expires_at_ms,
        m.group_id,
        tuple(m.also_ringing_agent_ids),
        _channel(m),
    ),
    "offer_closed": lambda m: made.OfferClosed(
        m.tenant_id,
        m.task_id,
        m.queue_id,
        m.revision,
        m.agent_id,
        OfferEnd(m.end),
        tuple(m.also_ringing_agent_ids),
        m.expires_at_ms,
        _channel(m),
    ),
    "assigned": lambda m: made.Assigned(
        m.tenant_id, m.task_id, m.queue_id, m.revision, m.agent_id, m.assigned_by, _channel(m)
    ),
    "completed": lambda m: made.Completed(
        m.tenant_id, m.task_id, m.queue_id, m.revision, m.agent_id, m.forced, _channel(m)
    ),
    "cancelled": lambda m: made.Cancelled(
        m.tenant_id, m.task_id, m.queue_id, m.revision, m.message
    ),
    "openings_set": lambda m: made.OpeningsSet(read_openings(m.tenant_id, m.openings)),
    "queue_turned": lambda m: made.QueueTurned(m.tenant_id, m.queue_id, m.open, m.turns_at_ms),
    "overflowed": lambda m: made.Overflowed(
        m.tenant_id,
        m.task_id,
        m.queue_id,
        m.revision,
        OverflowCause(m.cause),
        read_overflow(m.overflow),
    ),
    "after_service_started": lambda m: made.AfterServiceStarted(
        m.tenant_id, m.task_id, m.queue_id, m.revision, m.agent_id, m.ends_at_ms, _channel(m)
    ),
    "answered": lambda m: made.Answered(
        m.tenant_id, m.request_id, Reason(m.reason), m.reply_to, m.count, m.fingerprint
    ),
}
