"""Conversations as the messages of the wire, and back."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from centralita.conversations.v1 import events_pb2, resources_pb2
from centralita.directory.v1.resources_pb2 import Channel, Overflow
from centralita.dispatch.v1.events_pb2 import TaskCancelled
from centralita.ingestion.v1.events_pb2 import DeliveryStatus, MessageReceived
from centralita.ingestion.v1.resources_pb2 import InboundMessage
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel import page_tokens
from services.kernel.text import Fault, TextFlaw, TextInvalid, fitted, flaw_of, trim

from .domain.conversation import Conversation, Incoming
from .domain.errors import PageTokenInvalid, TextMissing, TextTooLong, Unusable
from .domain.events import Appended, Closed, Event, Opened, ReplyRequested
from .domain.message import (
    Delivery,
    Direction,
    Message,
    Place,
    former_inbound_id,
    inbound_id,
)
from .domain.received import Received, Sender

MOST_ARRIVALS = 2**32
"""More than a conversation has, and what the store can compare."""

_DIRECTIONS = {
    Direction.INBOUND: resources_pb2.DIRECTION_INBOUND,
    Direction.OUTBOUND: resources_pb2.DIRECTION_OUTBOUND,
}
_STATUSES = {
    Delivery.UNKNOWN: DeliveryStatus.DELIVERY_STATUS_UNSPECIFIED,
    Delivery.SENT: DeliveryStatus.DELIVERY_STATUS_SENT,
    Delivery.FAILED: DeliveryStatus.DELIVERY_STATUS_FAILED,
    Delivery.DELIVERED: DeliveryStatus.DELIVERY_STATUS_DELIVERED,
    Delivery.READ: DeliveryStatus.DELIVERY_STATUS_READ,
}
_DELIVERIES = {status: delivery for delivery, status in _STATUSES.items()}


def to_received(event: MessageReceived) -> Received:
    """Return a customer's message; Unusable when what makes it one is missing."""
    message = event.message
    trim(message)
    channel = _channel_name(event.channel)
    missing = [
        name
        for name, value in (
            ("channel", channel),
            ("channel_account_id", event.channel_account_id),
            ("queue_id", event.queue_id),
            ("provider_message_id", message.provider_message_id),
            ("sender_address", message.sender_address),
        )
        if not value
    ]
    if missing:
        # An empty id would be the same message for everybody (field.md 5.2).
        raise Unusable("A message needs all its parts.", missing=",".join(missing))
    for field in ("provider_message_id", "sender_address", "text"):
        if (flaw := flaw_of(InboundMessage, field, getattr(message, field))) is not None:
            raise Unusable(f"{field}: {flaw.advice}")
    message_id = inbound_id(
        event.tenant_id,
        event.channel_account_id,
        message.sender_address,
        message.provider_message_id,
        event.account_incarnation,
    )
    former_id = former_inbound_id(
        event.tenant_id, event.channel_account_id, message.provider_message_id
    )
    return Received(
        Sender(
            tenant_id=event.tenant_id,
            channel=channel,
            channel_account_id=event.channel_account_id,
            address=message.sender_address,
            name=fitted(InboundMessage, "sender_name", message.sender_name),
        ),
        Incoming(
            message_id=message_id,
            former_id=message_id if event.account_incarnation > 1 else former_id,
            text=message.text,
            sent_at=_told(message.sent_at) if message.HasField("sent_at") else None,
            sender_address=message.sender_address,
            channel=channel,
            queue_id=event.queue_id,
        ),
    )


def to_farewell(event: TaskCancelled) -> str:
    """Return what the customer is told at the end: nothing, where nothing of it would show.

    It may have been written, and kept, under looser rules than today's. Nobody waits for our
    answer who could write another, so it is made to fit.
    """
    return fitted(Overflow, "message", event.message)


def refused_text(flaw: TextFlaw) -> Exception:
    """Return our word for a text of a request that breaks its rule."""
    longest = flaw.rule.max_length
    match flaw.field, flaw.fault:
        case "text", Fault.EMPTY:
            return TextMissing(f"Write something: 1 to {longest:,} characters.")
        case "text", Fault.TOO_LONG:
            return TextTooLong(f"Write at most {longest:,} characters.", longest=str(longest))
        case _:
            return TextInvalid(flaw)


def to_delivery(status: DeliveryStatus.ValueType) -> Delivery:
    """Return how far a reply has come; a status we do not know yet says nothing."""
    return _DELIVERIES.get(status, Delivery.UNKNOWN)


def from_events(
    it: Conversation, events: Sequence[Event]
) -> Iterator[tuple[ProtoMessage, datetime]]:
    """Return each event as it travels, and when it happened."""
    for event in events:
        match event:
            case Opened(at=at, last_agent_id=last_agent_id):
                yield _opened(it, at, last_agent_id), at
            case Appended(message=message):
                yield _appended(it, message), message.arrived_at
            case ReplyRequested(message=message):
                yield _reply_requested(it, message), message.arrived_at
            case Closed(by=by, at=at):
                closed = events_pb2.ConversationClosed(
                    tenant_id=it.lane.tenant_id,
                    conversation_id=it.id,
                    closed_by=by,
                    crossed_messages=len(it.crossed),
                )
                yield closed, at


def from_conversation(it: Conversation) -> resources_pb2.Conversation:
    conversation = resources_pb2.Conversation(
        conversation_id=it.id,
        contact_id=it.lane.contact_id,
        channel=_channel_of(it.channel),
        channel_account_id=it.lane.channel_account_id,
        queue_id=it.queue_id,
        state=resources_pb2.CONVERSATION_STATE_OPEN,
        assignee_id=it.assignee_id,
        opened_at=_stamp(it.opened_at),
        message_count=it.message_count - len(it.crossed),
        version=it.version,
        continues=it.continues,
    )
    if it.closed:
        conversation.state = resources_pb2.CONVERSATION_STATE_CLOSED
        conversation.closed_at.FromDatetime(it.closed.at)
    return conversation


def from_message(conversation_id: str, it: Message) -> resources_pb2.Message:
    return resources_pb2.Message(
        message_id=it.id,
        conversation_id=conversation_id,
        direction=_DIRECTIONS[it.direction],
        author_id=it.author_id,
        text=it.text,
        sent_at=_stamp(it.sent_at),
        arrival=it.arrival,
        delivery=_STATUSES[it.delivery],
        delivery_cause=it.delivery_cause,
    )


def to_page_token(place: Place | None) -> str:
    """Return where the next page begins, in a form that nobody should read."""
    if place is None:
        return ""
    return page_tokens.encode(f"{round(place.sent_at.timestamp() * 1000)}.{place.arrival}")


def to_place(page_token: str) -> Place | None:
    if not page_token:
        return None
    try:
        return _place(page_tokens.decode(page_token))
    except (ValueError, OverflowError, OSError) as flaw:
        raise PageTokenInvalid("Send the next_page_token of the page before.") from flaw


def _place(told: str) -> Place:
    milliseconds, arrival = map(int, told.split("."))
    if not 0 <= arrival <= MOST_ARRIVALS:
        raise ValueError("no message has this arrival")
    return Place(datetime.fromtimestamp(milliseconds / 1000, UTC), arrival)


def _told(sent_at: Timestamp) -> datetime | None:
    """Return the time in whole milliseconds; None for one that no clock shows."""
    try:
        told = sent_at.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return None
    return told.replace(microsecond=told.microsecond // 1000 * 1000)


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _channel_name(channel: Channel.ValueType) -> str:
    """Return the lower-case name that identities carry; empty for none and for unknown ones."""
    if channel == Channel.CHANNEL_UNSPECIFIED or channel not in Channel.values():
        return ""
    return Channel.Name(channel).removeprefix("CHANNEL_").lower()


def _channel_of(name: str) -> Channel.ValueType:
    return Channel.Value(f"CHANNEL_{name.upper()}")


def _opened(it: Conversation, at: datetime, last_agent_id: str) -> events_pb2.ConversationOpened:
    return events_pb2.ConversationOpened(
        tenant_id=it.lane.tenant_id,
        conversation_id=it.id,
        contact_id=it.lane.contact_id,
        channel=_channel_of(it.channel),
        channel_account_id=it.lane.channel_account_id,
        queue_id=it.queue_id,
        opened_at=_stamp(at),
        continues=it.continues,
        last_agent_id=last_agent_id,
    )


def _appended(it: Conversation, message: Message) -> events_pb2.MessageAppended:
    return events_pb2.MessageAppended(
        tenant_id=it.lane.tenant_id,
        conversation_id=it.id,
        message_id=message.id,
        direction=_DIRECTIONS[message.direction],
        arrival=message.arrival,
        sent_at=_stamp(message.sent_at),
    )


def _reply_requested(it: Conversation, message: Message) -> events_pb2.ReplyRequested:
    return events_pb2.ReplyRequested(
        tenant_id=it.lane.tenant_id,
        conversation_id=it.id,
        message_id=message.id,
        channel=_channel_of(it.channel),
        channel_account_id=it.lane.channel_account_id,
        recipient_address=it.recipient_address,
        text=message.text,
        sent_at=_stamp(message.sent_at),
    )
