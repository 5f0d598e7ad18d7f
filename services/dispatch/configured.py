"""What the directory says of queues, groups, users and tenants, in the router's words."""

from collections.abc import Iterator
from dataclasses import replace

from centralita.directory.v1.events_pb2 import (
    GroupChanged,
    PresencePolicyChanged,
    QueueChanged,
    UserChanged,
)

from .domain.configuration import Configuration
from .domain.inputs import (
    AgentConfigured,
    AgentSelection,
    GroupConfigured,
    QueueConfigured,
    RingStrategy,
    TenantConfigured,
)
from .matching import capacity_of, matching_of, read_skills
from .messages import policy_of

Configured = QueueChanged | GroupChanged | UserChanged | PresencePolicyChanged


def facts_of(event: Configured, event_id: str) -> Iterator[tuple[Configuration, str]]:
    """Yield what a state tells the router, each with its id in the input log.

    First the removal of the one of the same id before, if there was one: that state may have been
    overwritten before we read it. Who knows it hears nothing new.
    """
    match event:
        case QueueChanged():
            fact: Configuration = queue_configured(event)
            before: Configuration = QueueConfigured(event.tenant_id, event.queue_id, removed=True)
        case GroupChanged():
            fact = group_configured(event)
            before = GroupConfigured(event.tenant_id, event.group_id, removed=True)
        case UserChanged():
            fact = agent_configured(event)
            before = AgentConfigured(event.tenant_id, event.user_id, removed=True)
        case PresencePolicyChanged():
            yield tenant_configured(event), f"in-{event_id}"
            return
    if event.incarnation > 1:
        yield replace(before, version=event.incarnation - 1), f"in-{event_id}-before"
    yield fact, f"in-{event_id}"


def agent_configured(event: UserChanged) -> AgentConfigured:
    capacity, channels = capacity_of(event)
    return AgentConfigured(
        event.tenant_id,
        event.user_id,
        event.version,
        event.removed,
        tuple(sorted(event.queue_ids)),
        read_skills(event.skills),
        capacity,
        channels,
    )


def tenant_configured(event: PresencePolicyChanged) -> TenantConfigured:
    """Read how much is done at once by who says nothing of their own."""
    usual = TenantConfigured(event.tenant_id, event.version)
    return replace(usual, capacity=event.policy.chat_capacity or usual.capacity)


def queue_configured(event: QueueChanged) -> QueueConfigured:
    """Read a queue. What the directory leaves unset is as usual."""
    queue = event.queue
    usual = QueueConfigured(event.tenant_id, event.queue_id)
    return QueueConfigured(
        event.tenant_id,
        event.queue_id,
        event.version,
        event.removed,
        AgentSelection(queue.agent_selection or usual.agent_selection),
        queue.offer_timeout.ToMilliseconds() or usual.offer_timeout_ms,
        queue.priority or usual.priority,
        policy_of(queue),
        ask_again_after_ms=queue.ask_again_after.ToMilliseconds() or usual.ask_again_after_ms,
        **matching_of(queue),
    )


def group_configured(event: GroupChanged) -> GroupConfigured:
    """Read a group. What the directory leaves unset is as usual."""
    group = event.group
    usual = GroupConfigured(event.tenant_id, event.group_id)
    return GroupConfigured(
        event.tenant_id,
        event.group_id,
        event.version,
        event.removed,
        tuple(group.user_ids),
        RingStrategy(group.ring_strategy or usual.ring_strategy),
        group.ring_timeout.ToMilliseconds() or usual.ring_timeout_ms,
        group.ask_again_after.ToMilliseconds() or usual.ask_again_after_ms,
    )
