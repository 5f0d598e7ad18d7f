"""NATS in: what connectors hand over on the bus, and the replies that shall reach customers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from centralita.conversations.v1.events_pb2 import ReplyRequested
from centralita.ingestion.v1.events_pb2 import MessageRefused, MessageSubmitted
from faststream import StreamMessage
from faststream.nats import NatsRouter
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg

from services.kernel.consume import Later, consumer, meta
from services.kernel.ids import is_token
from services.kernel.wire import BadToken, parsed, subject_of

from . import messages
from .domain.account import Channel
from .domain.delivery import GIVE_UP_AFTER
from .domain.errors import MessageMalformed, Refusal
from .use_cases import AcceptMessage, DeliverReply, Envelope

SUBMITTED = consumer(
    MessageSubmitted,
    stream="SUBMISSIONS",
    durable="ingestion-accept-message",
    max_workers=32,
    max_ack_pending=20_000,  # what waits to be tried again must not keep others' from coming
)
_LONGEST_TRY = 30.0


class Refusals(Protocol):
    async def refused(self, event: MessageRefused, event_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Submission:
    """A message as it lies in the stream. The stream's clock, not the sender's, says since when."""

    tenant_id: str
    subject: str
    payload: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    stored_at: datetime
    sequence: int


async def as_stored(message: StreamMessage[Any]) -> Submission:
    """Leave reading it to the handler: a stranger's mistake gets an answer, no dead letter.

    Unless the subject names no tenant, such as `*`: then there is nobody to tell.
    """
    raw: Msg = message.raw_message
    tenant_id = raw.subject.split(".")[1]
    if not is_token(tenant_id):
        raise DecodeError("the subject names no tenant")
    return Submission(
        tenant_id=tenant_id,
        subject=raw.subject,
        payload=raw.data,
        headers={name.lower(): value for name, value in (raw.headers or {}).items()},
        stored_at=raw.metadata.timestamp,
        sequence=raw.metadata.sequence.stream,
    )


def handlers(accept: AcceptMessage, refusals: Refusals, deliver: DeliverReply) -> NatsRouter:
    router = NatsRouter()

    @router.subscriber(**{**SUBMITTED, "decoder": as_stored})
    async def accept_message(it: Submission) -> None:
        """A connector handed a message in: pass it on, or tell why not."""
        event = MessageSubmitted()
        try:
            event = _read(it)
            envelope = Envelope(
                body=event.message.SerializeToString(),
                headers={**it.headers, "content-type": "application/protobuf"},
                wrapping=it.payload,
            )
            key = (event.tenant_id, event.channel_account_id)
            await accept(Channel.CUSTOM, key, envelope, arrived_at=it.stored_at)
        except Refusal as no:
            refused = MessageRefused(
                tenant_id=it.tenant_id,
                channel_account_id=event.channel_account_id[:64],
                provider_message_id=event.message.provider_message_id[:200],
                reason=no.reason,
            )
            await refusals.refused(refused, f"{it.tenant_id}:{it.sequence}:refused")

    @router.subscriber(
        **consumer(
            ReplyRequested,
            stream="OUTBOUND",
            durable="ingestion-deliver-reply",
            max_workers=256,  # most of them wait for a provider
            ack_wait=timedelta(seconds=30),
            give_up_after=GIVE_UP_AFTER,  # waiting for a slow account is not a failure
            max_ack_pending=20_000,  # replies that wait must not keep others from coming
        )
    )
    async def deliver_reply(event: ReplyRequested) -> None:
        """Somebody answered: bring it to the customer, now or when the provider wants it."""
        async with asyncio.timeout(_LONGEST_TRY):
            wait = await deliver(messages.reply(event, meta().stream_sequence))
        if wait is not None:
            raise Later(wait)

    return router


def _read(it: Submission) -> MessageSubmitted:
    try:
        event = parsed(MessageSubmitted, it.payload, it.headers)
        honest = subject_of(event) == it.subject
    except (DecodeError, BadToken, RecursionError) as flaw:
        raise MessageMalformed("Publish a MessageSubmitted.") from flaw
    if not honest:
        raise MessageMalformed("Publish under the tenant that the message names.")
    return event
