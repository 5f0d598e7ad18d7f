"""What the directory says of queues, groups and users, in the router's words."""

from centralita.directory.v1.events_pb2 import GroupChanged, QueueChanged, UserChanged

from .domain.inputs import (
    AgentConfigured,
    AgentSelection,
    Fact,
    GroupConfigured,
    QueueConfigured,
    RingStrategy,
)
from .matching import capacity_of, matching_of, read_skills
from .messages import policy_of

Configured = QueueChanged | GroupChanged | UserChanged


def configured(event: Configured) -> Fact:
    match event:
        case QueueChanged():
            return queue_configured(event)
        case GroupChanged():
            return group_configured(event)
        case _:
            return agent_configured(event)


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


def removal_before(event: Configured) -> Fact | None:
    """Return the removal of the one of the same id before, if there was one.

    That state may have been overwritten before we read it. Who knows it hears nothing new.
    """
    version = event.incarnation - 1
    if version <= 0:
        return None
    match event:
        case QueueChanged():
            return QueueConfigured(event.tenant_id, event.queue_id, version, removed=True)
        case GroupChanged():
            return GroupConfigured(event.tenant_id, event.group_id, version, removed=True)
        case _:
            return AgentConfigured(event.tenant_id, event.user_id, version, removed=True)


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
