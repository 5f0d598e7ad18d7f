"""Inputs of the router as they lie in the input log."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from google.protobuf.message import DecodeError, Message

from services.dispatch.domain import inputs as it
from services.dispatch.domain.inputs import AgentSelection, Channel, RingStrategy, Role
from services.dispatch.domain.repeatable import Versioned
from services.dispatch.matching import (
    read_channels,
    read_matching,
    read_skills,
    write_channels,
    write_matching,
    write_skills,
)
from services.dispatch.messages import read_openings, read_policy, write_openings, write_policy
from services.kernel.ids import is_token

from . import commands

DEFAULT_OFFER_TIMEOUT_MS = 20_000
LONGEST_OFFER_TIMEOUT_MS = 24 * 3_600_000
LONGEST_PAUSE_MS = 3_600_000
DEFAULT_PRIORITY = 50
FINGERPRINT_BYTES = 8
USUAL_CAPACITY = it.TenantConfigured("").capacity


class UnreadableInput(Exception):
    """The bytes are no input: the log goes on without them."""


def encode_input(entry: it.Fact | it.Command) -> bytes:
    message = _WRITERS[type(entry)](entry)
    if isinstance(entry, Versioned):
        message.again = entry.again
    if message.request_id:
        message.fingerprint = _fingerprint(message)
    return message.SerializeToString()


def _fingerprint(command: wire.Input) -> bytes:
    """Hash what is asked; not where the answer goes, nor what rank who asks has meanwhile."""
    asked = wire.Input()
    asked.CopyFrom(command)
    for beside in ("request_id", "reply_to", "fingerprint"):
        asked.ClearField(beside)
    body: Message = getattr(asked, str(asked.WhichOneof("body")))
    if "actor_role" in body.DESCRIPTOR.fields_by_name:
        body.ClearField("actor_role")
    hashed = blake2b(asked.SerializeToString(deterministic=True), digest_size=FINGERPRINT_BYTES)
    return hashed.digest()


def decode_input(data: bytes) -> it.Fact | it.Command:
    """Read an input. UnreadableInput for bytes that are none."""
    try:
        message = wire.Input.FromString(data)
    except DecodeError as error:
        raise UnreadableInput from error
    body = message.WhichOneof("body")
    # A tenant stands in the subjects of events: decided first, it could never be told.
    if body is None or not is_token(message.tenant_id):
        raise UnreadableInput
    entry = _READERS[body](message)
    return replace(entry, again=True) if message.again and isinstance(entry, Versioned) else entry


def write_queue(queue: it.QueueConfigured) -> wire.QueueConfigured:
    return wire.QueueConfigured(
        queue_id=queue.queue_id,
        version=queue.version,
        removed=queue.removed,
        agent_selection=directory.AgentSelection.ValueType(queue.agent_selection),
        offer_timeout_ms=queue.offer_timeout_ms,
        priority=queue.priority,
        policy=write_policy(queue.policy),
        ask_again_after_ms=_unless_usual(queue.ask_again_after_ms),
        **write_matching(queue),
    )


def read_queue(tenant_id: str, queue: wire.QueueConfigured) -> it.QueueConfigured:
    return it.QueueConfigured(
        tenant_id,
        queue.queue_id,
        queue.version,
        queue.removed,
        AgentSelection(queue.agent_selection or AgentSelection.LONGEST_IDLE),
        _offer_timeout(queue.offer_timeout_ms),
        queue.priority or DEFAULT_PRIORITY,
        read_policy(queue.policy),
        ask_again_after_ms=_pause(queue.ask_again_after_ms),
        **read_matching(queue),
    )


def write_group(group: it.GroupConfigured) -> wire.GroupConfigured:
    return wire.GroupConfigured(
        group_id=group.group_id,
        version=group.version,
        removed=group.removed,
        member_ids=group.member_ids,
        ring_strategy=directory.RingStrategy.ValueType(group.ring_strategy),
        ring_timeout_ms=group.ring_timeout_ms,
        ask_again_after_ms=_unless_usual(group.ask_again_after_ms),
    )


def read_group(tenant_id: str, group: wire.GroupConfigured) -> it.GroupConfigured:
    return it.GroupConfigured(
        tenant_id,
        group.group_id,
        group.version,
        group.removed,
        tuple(group.member_ids),
        RingStrategy(group.ring_strategy or RingStrategy.SIMULTANEOUS),
        _offer_timeout(group.ring_timeout_ms),
        _pause(group.ask_again_after_ms),
    )


def write_agent(agent: it.AgentConfigured) -> wire.AgentConfigured:
    return wire.AgentConfigured(
        agent_id=agent.agent_id,
        version=agent.version,
        removed=agent.removed,
        queue_ids=agent.queue_ids,
        skills=write_skills(agent.skills),
        capacity=agent.capacity or 0,
        channels=write_channels(agent.channels),
        takes_nothing=agent.capacity == 0,
    )


def read_agent(tenant_id: str, agent: wire.AgentConfigured) -> it.AgentConfigured:
    return it.AgentConfigured(
        tenant_id,
        agent.agent_id,
        agent.version,
        agent.removed,
        tuple(sorted(agent.queue_ids)),
        read_skills(agent.skills),
        agent.capacity or (0 if agent.takes_nothing else None),
        read_channels(agent.channels),
    )


def write_tenant(tenant: it.TenantConfigured) -> wire.TenantConfigured:
    return wire.TenantConfigured(version=tenant.version, capacity=tenant.capacity)


def read_tenant(tenant_id: str, tenant: wire.TenantConfigured) -> it.TenantConfigured:
    return it.TenantConfigured(tenant_id, tenant.version, tenant.capacity or USUAL_CAPACITY)


def write_presence(presence: it.PresenceObserved) -> wire.PresenceObserved:
    return wire.PresenceObserved(
        agent_id=presence.agent_id,
        version=presence.version,
        connected=presence.connected,
        receive_new=presence.receive_new,
        channels=write_channels(presence.channels),
        ready_at_ms=presence.ready_at,
    )


def read_presence(tenant_id: str, presence: wire.PresenceObserved) -> it.PresenceObserved:
    return it.PresenceObserved(
        tenant_id,
        presence.agent_id,
        presence.version,
        presence.connected,
        presence.receive_new,
        read_channels(presence.channels),
        presence.ready_at_ms,
    )


def write_task(task: it.TaskSubmitted) -> wire.TaskSubmitted:
    return wire.TaskSubmitted(
        task_id=task.task_id,
        queue_id=task.queue_id,
        enqueued_at_ms=task.enqueued_at,
        cost=task.cost,
        skills=write_skills(task.skills),
        priority=task.priority,
        group_id=task.group_id,
        channel=directory.TaskChannel.ValueType(task.channel),
        wishes=write_skills(task.wishes),
        contact_id=task.contact_id,
        preferred_agent_id=task.preferred_agent_id,
        last_agent_id=task.last_agent_id,
    )


def read_task(tenant_id: str, task: wire.TaskSubmitted) -> it.TaskSubmitted:
    return it.TaskSubmitted(
        tenant_id,
        task.task_id,
        task.queue_id,
        task.enqueued_at_ms,
        task.cost,
        read_skills(task.skills) if task.skills else (),
        task.priority,
        Channel(task.channel or Channel.CHAT),
        task.group_id,
        read_skills(task.wishes) if task.wishes else (),
        task.contact_id,
        task.preferred_agent_id,
        task.last_agent_id,
    )


def _offer_timeout(given: int) -> int:
    """Keep deadlines within what a record can hold, whatever was configured."""
    return min(given, LONGEST_OFFER_TIMEOUT_MS) if given > 0 else DEFAULT_OFFER_TIMEOUT_MS


def _unless_usual(pause: int) -> int:
    """Return what to write of a pause: nothing where it is as if nobody had said anything."""
    return 0 if pause == it.ASK_AGAIN_AFTER_MS else pause


def _pause(given: int) -> int:
    return min(given, LONGEST_PAUSE_MS) if given > 0 else it.ASK_AGAIN_AFTER_MS


_READERS: dict[str, Callable[[wire.Input], it.Fact | it.Command]] = {
    "queue_configured": lambda m: read_queue(m.tenant_id, m.queue_configured),
    "group_configured": lambda m: read_group(m.tenant_id, m.group_configured),
    "agent_configured": lambda m: read_agent(m.tenant_id, m.agent_configured),
    "tenant_configured": lambda m: read_tenant(m.tenant_id, m.tenant_configured),
    "presence_observed": lambda m: read_presence(m.tenant_id, m.presence_observed),
    "task_submitted": lambda m: read_task(m.tenant_id, m.task_submitted),
    "task_closed": lambda m: it.TaskClosed(
        m.tenant_id, m.task_closed.task_id, m.task_closed.closed_by
    ),
    "submit_task": lambda m: it.SubmitTask(
        m.tenant_id,
        read_task(m.tenant_id, m.submit_task.task),
        m.submit_task.actor_id,
        Role(m.submit_task.actor_role),
        m.request_id,
        m.reply_to,
        fingerprint=m.fingerprint,
    ),
    "openings_foreseen": lambda m: read_openings(m.tenant_id, m.openings_foreseen),
    **commands.READERS,
}

_WRITERS: dict[type[Any], Callable[[Any], wire.Input]] = {
    it.QueueConfigured: lambda e: wire.Input(
        tenant_id=e.tenant_id, queue_configured=write_queue(e)
    ),
    it.GroupConfigured: lambda e: wire.Input(
        tenant_id=e.tenant_id, group_configured=write_group(e)
    ),
    it.AgentConfigured: lambda e: wire.Input(
        tenant_id=e.tenant_id, agent_configured=write_agent(e)
    ),
    it.TenantConfigured: lambda e: wire.Input(
        tenant_id=e.tenant_id, tenant_configured=write_tenant(e)
    ),
    it.PresenceObserved: lambda e: wire.Input(
        tenant_id=e.tenant_id, presence_observed=write_presence(e)
    ),
    it.TaskSubmitted: lambda e: wire.Input(tenant_id=e.tenant_id, task_submitted=write_task(e)),
    it.TaskClosed: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        task_closed=wire.TaskClosed(task_id=e.task_id, closed_by=e.closed_by),
    ),
    it.SubmitTask: lambda e: wire.Input(
        tenant_id=e.tenant_id,
        request_id=e.request_id,
        reply_to=e.reply_to,
        submit_task=wire.SubmitTask(
            task=write_task(e.task), actor_id=e.actor_id, actor_role=commands.rank(e.actor_role)
        ),
    ),
    it.OpeningsForeseen: lambda e: wire.Input(
        tenant_id=e.tenant_id, openings_foreseen=write_openings(e)
    ),
    **commands.WRITERS,
}
