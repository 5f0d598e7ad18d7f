"""What dispatch does when the rest of the system speaks: tell the router, in its own words."""

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

from .configured import Configured, facts_of
from .domain.inputs import (
    Fact,
    PresenceObserved,
    TaskClosed,
    TaskSubmitted,
)
from .matching import read_channels
from .use_cases.ports import Intake


def handlers(intake: Intake) -> NatsRouter:
    """Every handler appends facts; the event's id keeps a redelivery from counting twice."""
    router = NatsRouter()

    @router.subscriber(
        **consumer(ConversationOpened, stream="CONVERSATIONS", durable="dispatch-submit-task")
    )
    async def submit_task(event: ConversationOpened) -> None:
        """A conversation began: it waits for an agent."""
        await _tell(
            intake,
            TaskSubmitted(
                event.tenant_id,
                event.conversation_id,
                event.queue_id,
                event.opened_at.ToMilliseconds(),
                contact_id=event.contact_id,
                last_agent_id=event.last_agent_id,
            ),
        )

    @router.subscriber(
        **consumer(ConversationClosed, stream="CONVERSATIONS", durable="dispatch-close-task")
    )
    async def close_task(event: ConversationClosed) -> None:
        """A conversation is over: so is its task."""
        await _tell(intake, TaskClosed(event.tenant_id, event.conversation_id, event.closed_by))

    @router.subscriber(
        **consumer(QueueChanged, stream="DIRECTORY", durable="dispatch-configure-queue")
    )
    async def configure_queue(event: QueueChanged) -> None:
        """A queue has new settings."""
        await _configure(intake, event)

    @router.subscriber(
        **consumer(GroupChanged, stream="DIRECTORY", durable="dispatch-configure-group")
    )
    async def configure_group(event: GroupChanged) -> None:
        """A group has other members or rings them differently."""
        await _configure(intake, event)

    @router.subscriber(
        **consumer(UserChanged, stream="DIRECTORY", durable="dispatch-configure-agent")
    )
    async def configure_agent(event: UserChanged) -> None:
        """A user answers other queues, or holds more or less at once."""
        await _configure(intake, event)

    @router.subscriber(
        **consumer(PresencePolicyChanged, stream="DIRECTORY", durable="dispatch-configure-tenant")
    )
    async def configure_tenant(event: PresencePolicyChanged) -> None:
        """A tenant says otherwise how much is done at once by who says nothing."""
        await _configure(intake, event)

    @router.subscriber(
        **consumer(PresenceChanged, stream="PRESENCE", durable="dispatch-observe-presence")
    )
    async def observe_presence(event: PresenceChanged) -> None:
        """An agent came, went, or chose to receive new work or none."""
        await _tell(
            intake,
            PresenceObserved(
                event.tenant_id,
                event.user_id,
                event.version,
                event.connected,
                event.receive_new,
                read_channels(event.channels),
                event.ready_since.ToMilliseconds(),
            ),
        )

    return router


async def _tell(intake: Intake, fact: Fact) -> None:
    await intake.append(fact, dedup_id=f"in-{meta().event_id}")


async def _configure(intake: Intake, event: Configured) -> None:
    for fact, dedup_id in facts_of(event, meta().event_id):
        await intake.append(fact, dedup_id)
