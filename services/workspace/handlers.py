"""What the workspace does when the rest of the system speaks."""

from typing import Any

from centralita.conversations.v1.events_pb2 import (
    ConversationClosed,
    ConversationOpened,
    MessageAppended,
)
from centralita.directory.v1.events_pb2 import UserChanged
from centralita.dispatch.v1.events_pb2 import (
    AfterServiceStarted,
    OfferEnded,
    TaskAssigned,
    TaskCancelled,
    TaskCompleted,
    TaskOffered,
    TaskQueued,
)
from faststream.nats import NatsRouter

from services.kernel.consume import consumer

from .domain.card import CardState, Standing
from .domain.sources import Ended, Opening, Routed, Said
from .messages import moment, user
from .use_cases.fold import FoldFact
from .use_cases.viewers import FollowUser

Routing = (
    TaskQueued
    | TaskOffered
    | OfferEnded
    | TaskAssigned
    | AfterServiceStarted
    | TaskCompleted
    | TaskCancelled
)

WORKERS = 32


def handlers(fold: FoldFact, follow_user: FollowUser) -> NatsRouter:
    router = NatsRouter()
    _conversations(router, fold)
    _dispatch(router, fold)

    @router.subscriber(
        **consumer(UserChanged, stream="DIRECTORY", durable="workspace-user-changed")
    )
    async def user_changed(event: UserChanged) -> None:
        """A user's role or queues may be others now: so is their view."""
        await follow_user(user(event))

    return router


def _conversations(router: NatsRouter, fold: FoldFact) -> None:
    stream = "CONVERSATIONS"

    @router.subscriber(
        **consumer(
            ConversationOpened,
            stream=stream,
            durable="workspace-conversation-opened",
            max_workers=WORKERS,
        )
    )
    async def conversation_opened(event: ConversationOpened) -> None:
        """A card is born, unless dispatch was heard first."""
        opening = Opening(
            event.contact_id,
            event.channel,
            event.channel_account_id,
            event.queue_id,
            moment(event.opened_at),
        )
        await fold(event.tenant_id, event.conversation_id, opening)

    @router.subscriber(
        **consumer(
            MessageAppended,
            stream=stream,
            durable="workspace-message-appended",
            max_workers=WORKERS,
        )
    )
    async def message_appended(event: MessageAppended) -> None:
        """The card counts one more."""
        said = Said(event.arrival, moment(event.sent_at))
        await fold(event.tenant_id, event.conversation_id, said)

    @router.subscriber(
        **consumer(
            ConversationClosed,
            stream=stream,
            durable="workspace-conversation-closed",
            max_workers=WORKERS,
        )
    )
    async def conversation_closed(event: ConversationClosed) -> None:
        """The card leaves every view."""
        await fold(event.tenant_id, event.conversation_id, Ended(event.closed_by))


def _dispatch(router: NatsRouter, fold: FoldFact) -> None:
    stream = "DISPATCH"

    async def stands(event: Routing, standing: Standing, **more: Any) -> None:
        await fold(event.tenant_id, event.task_id, Routed(event.revision, standing, **more))

    @router.subscriber(
        **consumer(TaskQueued, stream=stream, durable="workspace-task-queued", max_workers=WORKERS)
    )
    async def task_queued(event: TaskQueued) -> None:
        """It waits, for the first time or again."""
        waiting = Standing(CardState.WAITING, event.queue_id)
        await stands(event, waiting, waits_since=moment(event.enqueued_at))

    @router.subscriber(
        **consumer(
            TaskOffered, stream=stream, durable="workspace-task-offered", max_workers=WORKERS
        )
    )
    async def task_offered(event: TaskOffered) -> None:
        """It rings at an agent, or at one more."""
        await fold(event.tenant_id, event.task_id, _rings(event, event.agent_id))

    @router.subscriber(
        **consumer(OfferEnded, stream=stream, durable="workspace-offer-ended", max_workers=WORKERS)
    )
    async def offer_ended(event: OfferEnded) -> None:
        """It rings on at others of the group; or what becomes of it follows, and it waits."""
        await fold(event.tenant_id, event.task_id, _rings(event))

    @router.subscriber(
        **consumer(
            TaskAssigned, stream=stream, durable="workspace-task-assigned", max_workers=WORKERS
        )
    )
    async def task_assigned(event: TaskAssigned) -> None:
        """One agent holds it, and only they see it."""
        await stands(event, Standing(CardState.ASSIGNED, event.queue_id, event.agent_id))

    @router.subscriber(
        **consumer(
            AfterServiceStarted,
            stream=stream,
            durable="workspace-after-service-started",
            max_workers=WORKERS,
        )
    )
    async def after_service_started(event: AfterServiceStarted) -> None:
        """The conversation is over and its agent finishes the work, perhaps longer than before."""
        ends_at = moment(event.ends_at) if event.HasField("ends_at") else None
        finishing = Standing(CardState.AFTER_SERVICE, event.queue_id, event.agent_id)
        await stands(event, finishing, until=ends_at, ended_by=event.ended_by)

    @router.subscriber(
        **consumer(
            TaskCompleted, stream=stream, durable="workspace-task-completed", max_workers=WORKERS
        )
    )
    async def task_completed(event: TaskCompleted) -> None:
        """It is done and leaves every view."""
        closed = Standing(CardState.CLOSED, event.queue_id, event.agent_id)
        await stands(event, closed, ended_by=event.ended_by)

    @router.subscriber(
        **consumer(
            TaskCancelled, stream=stream, durable="workspace-task-cancelled", max_workers=WORKERS
        )
    )
    async def task_cancelled(event: TaskCancelled) -> None:
        """It ended before anybody held it and leaves every view."""
        closed = Standing(CardState.CLOSED, event.queue_id)
        await stands(event, closed, ended_by=event.ended_by)


def _rings(event: TaskOffered | OfferEnded, *rung: str) -> Routed:
    """Say at whom a task rings after an event; at nobody, it waits."""
    agent_ids = (*rung, *event.also_ringing_agent_ids)
    if not agent_ids:
        return Routed(event.revision, Standing(CardState.WAITING, event.queue_id))
    standing = Standing(CardState.OFFERED, event.queue_id, agent_ids[0], agent_ids[1:])
    return Routed(event.revision, standing, moment(event.expires_at))
