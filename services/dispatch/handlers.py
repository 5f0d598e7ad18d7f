"""What dispatch does when the rest of the system speaks: tell the router, in its own words."""

from dataclasses import replace

from centralita.conversations.v1.events_pb2 import ConversationClosed, ConversationOpened
from centralita.directory.v1.events_pb2 import (
    GroupChanged,
    PresencePolicyChanged,
    QueueChanged,
    UserChanged,
)
from centralita.presence.v1.events_pb2 import PresenceChanged
from faststream.nats import NatsRouter

from services.kernel.consume import consumer, meta

from .domain.inputs import (
    AgentConfigured,
    AgentSelection,
    Fact,
    GroupConfigured,
    PresenceObserved,
    QueueConfigured,
    RingStrategy,
    TaskClosed,
    TaskSubmitted,
    TenantConfigured,
)
from .matching import capacity_of, matching_of, read_channels, read_skills
from .messages import policy_of
from .use_cases.ports import Intake


def handlers(intake: Intake) -> NatsRouter:
    """Every handler appends one fact; the event's id keeps a redelivery from counting twice."""
    router = NatsRouter()

    async def tell(fact: Fact, *, before: Fact | None = None) -> None:
        if before is not None:
            await intake.append(before, dedup_id=f"in-{meta().event_id}-before")
        await intake.append(fact, dedup_id=f"in-{meta().event_id}")

    @router.subscriber(
        **consumer(ConversationOpened, stream="CONVERSATIONS", durable="dispatch-submit-task")
    )
    async def submit_task(event: ConversationOpened) -> None:
        """A conversation began: it waits for an agent."""
        await tell(
            TaskSubmitted(
                event.tenant_id,
                event.conversation_id,
                event.queue_id,
                event.opened_at.ToMilliseconds(),
                contact_id=event.contact_id,
                preferred_agent_id=event.last_agent_id,
            )
        )

    @router.subscriber(
        **consumer(ConversationClosed, stream="CONVERSATIONS", durable="dispatch-close-task")
    )
    async def close_task(event: ConversationClosed) -> None:
        """A conversation is over: so is its task."""
        await tell(TaskClosed(event.tenant_id, event.conversation_id, event.closed_by))

    @router.subscriber(
        **consumer(QueueChanged, stream="DIRECTORY", durable="dispatch-configure-queue")
    )
    async def configure_queue(event: QueueChanged) -> None:
        """A queue has new settings."""
        await tell(queue_configured(event), before=removal_before(event))

    @router.subscriber(
        **consumer(GroupChanged, stream="DIRECTORY", durable="dispatch-configure-group")
    )
    async def configure_group(event: GroupChanged) -> None:
        """A group has other members or rings them differently."""
        await tell(group_configured(event), before=removal_before(event))

    @router.subscriber(
        **consumer(UserChanged, stream="DIRECTORY", durable="dispatch-configure-agent")
    )
    async def configure_agent(event: UserChanged) -> None:
        """A user answers other queues, or holds more or less at once."""
        capacity, channels = capacity_of(event)
        await tell(
            AgentConfigured(
                event.tenant_id,
                event.user_id,
                event.version,
                event.removed,
                tuple(sorted(event.queue_ids)),
                read_skills(event.skills),
                capacity,
                channels,
            ),
            before=removal_before(event),
        )

    @router.subscriber(
        **consumer(PresencePolicyChanged, stream="DIRECTORY", durable="dispatch-configure-tenant")
    )
    async def configure_tenant(event: PresencePolicyChanged) -> None:
        """A tenant says otherwise how much is done at once by who says nothing."""
        usual = TenantConfigured(event.tenant_id, event.version)
        await tell(replace(usual, capacity=event.policy.chat_capacity or usual.capacity))

    @router.subscriber(
        **consumer(PresenceChanged, stream="PRESENCE", durable="dispatch-observe-presence")
    )
    async def observe_presence(event: PresenceChanged) -> None:
        """An agent came, went, or chose to receive new work or none."""
        await tell(
            PresenceObserved(
                event.tenant_id,
                event.user_id,
                event.version,
                event.connected,
                event.receive_new,
                read_channels(event.channels),
                event.ready_since.ToMilliseconds(),
            )
        )

    return router


def removal_before(event: QueueChanged | GroupChanged | UserChanged) -> Fact | None:
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
