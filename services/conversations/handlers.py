"""What conversations does when the rest of the system speaks."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from centralita.dispatch.v1.events_pb2 import (
    AfterServiceStarted,
    TaskAssigned,
    TaskCancelled,
    TaskCompleted,
    TaskQueued,
)
from centralita.ingestion.v1.events_pb2 import DeliveryUpdated, MessageReceived
from faststream.nats import NatsRouter

from services.kernel.causes import cause_of
from services.kernel.consume import consumer, meta

from . import messages
from .use_cases import AppendMessage, EndWithTask, MergeDelivery, NoteTask

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Following:
    """The use cases behind the handlers."""

    append: AppendMessage
    note: NoteTask
    end: EndWithTask
    merge: MergeDelivery


def handlers(do: Following) -> NatsRouter:
    router = NatsRouter()

    @router.subscriber(
        **consumer(
            MessageReceived,
            stream="INBOUND",
            durable="conversations-append-message",
            max_workers=32,
        )
    )
    async def append_message(event: MessageReceived) -> None:
        """A customer wrote: append it where it belongs, or keep it for people to look at."""
        await do.append(messages.to_received(event))

    @router.subscriber(
        **consumer(
            TaskAssigned,
            stream="DISPATCH",
            durable="conversations-note-assignee",
        )
    )
    async def note_assignee(event: TaskAssigned) -> None:
        """Somebody holds it: they may reply and close."""
        await do.note(
            event.tenant_id, event.task_id, event.revision, event.queue_id, event.agent_id
        )

    @router.subscriber(
        **consumer(
            TaskQueued,
            stream="DISPATCH",
            durable="conversations-clear-assignee",
        )
    )
    async def clear_assignee(event: TaskQueued) -> None:
        """It waits (again), perhaps elsewhere. The revision says whether that is still so."""
        await do.note(event.tenant_id, event.task_id, event.revision, event.queue_id, "")

    @router.subscriber(
        **consumer(
            TaskCompleted,
            stream="DISPATCH",
            durable="conversations-close-completed",
        )
    )
    async def close_completed(event: TaskCompleted) -> None:
        """The work is done, so the conversation is over."""
        await do.end(event.tenant_id, event.task_id, meta().at, by=event.ended_by)

    @router.subscriber(
        **consumer(
            TaskCancelled,
            stream="DISPATCH",
            durable="conversations-close-cancelled",
        )
    )
    async def close_cancelled(event: TaskCancelled) -> None:
        """Nobody will work it, so the conversation is over; perhaps with some last words."""
        await do.end(
            event.tenant_id,
            event.task_id,
            meta().at,
            by=event.ended_by,
            farewell=messages.to_farewell(event),
        )

    @router.subscriber(
        **consumer(
            AfterServiceStarted,
            stream="DISPATCH",
            durable="conversations-close-after-service",
        )
    )
    async def close_after_service(event: AfterServiceStarted) -> None:
        """What is left of the work does without the customer."""
        await do.end(event.tenant_id, event.task_id, meta().at, by=event.ended_by)

    @router.subscriber(
        **consumer(
            DeliveryUpdated,
            stream="INGESTION",
            durable="conversations-merge-delivery",
        )
    )
    async def merge_delivery(event: DeliveryUpdated) -> None:
        """The channel tells how far a reply has come."""
        await do.merge(
            event.tenant_id,
            event.conversation_id,
            event.message_id,
            messages.to_delivery(event.status),
            event.cause,
        )

    return router


async def reconcile_for_ever(compare: Callable[[], Awaitable[None]], every: timedelta) -> None:
    """Compare conversations with tasks now and then; what could not be asked is asked next time."""
    while True:
        # Replicas that start together shall not all ask at once.
        await asyncio.sleep(every.total_seconds() * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        try:
            await compare()
        except Exception as trouble:  # noqa: BLE001 - the router is out, or the store: it comes back
            some = trouble.exceptions if isinstance(trouble, ExceptionGroup) else (trouble,)
            for cause, count in Counter(map(cause_of, some)).items():
                log.warning(
                    "conversations were not compared with tasks; trying again later",
                    extra={"cause": cause, "count": count},
                )
