"""The wire's shapes and ours, both ways."""

import json
from datetime import UTC, datetime

from centralita.conversations.v1.conversations_service_pb2 import ReplyRequest
from centralita.conversations.v1.events_pb2 import ReplyRequested
from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.v1.dispatch_service_pb2 import GetWaitResponse
from centralita.ingestion.v1 import events_pb2 as events
from centralita.ingestion.v1.resources_pb2 import InboundMessage as WireMessage
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.ingestion.domain import errors
from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.delivery import Fate, Reply, Status
from services.ingestion.domain.errors import MessageMalformed
from services.ingestion.domain.message import InboundMessage
from services.ingestion.domain.wait import Wait
from services.kernel.text import Fault, TextFlaw, flaw_in, flaw_of, longest, trim

LONGEST_REPLY = longest(ReplyRequest, "text")
PROTOBUF = frozenset({"application/protobuf", "application/x-protobuf"})

_MOST_DIGITS = 16

_CHANNELS = {
    directory.CHANNEL_WEBCHAT: Channel.WEBCHAT,
    directory.CHANNEL_CUSTOM: Channel.CUSTOM,
}
_WIRE_CHANNELS = {ours: wire for wire, ours in _CHANNELS.items()}
_STATUSES = {
    Status.SENT: events.DELIVERY_STATUS_SENT,
    Status.DELIVERED: events.DELIVERY_STATUS_DELIVERED,
    Status.READ: events.DELIVERY_STATUS_READ,
    Status.FAILED: events.DELIVERY_STATUS_FAILED,
}


def inbound(body: bytes, media_type: str, now: datetime) -> InboundMessage:
    """Read an InboundMessage: protobuf where the content type says so, else its JSON form.

    Fields we do not know are passed over: a connector may be newer than we are.
    """
    if media_type in PROTOBUF:
        try:
            return from_wire(WireMessage.FromString(body), now)
        except DecodeError as flaw:
            raise _malformed("Send a serialised InboundMessage.") from flaw
    try:
        wire = json_format.ParseDict(json_object(body), WireMessage(), ignore_unknown_fields=True)
    except Exception as flaw:  # half a surrogate pair is a SystemError to the library
        raise _malformed("Send the fields of InboundMessage with their types.") from flaw
    return from_wire(wire, now)


def from_wire(wire: WireMessage, now: datetime) -> InboundMessage:
    """`now` stands in for a time that was not told, and for one that has not come yet."""
    trim(wire)
    return InboundMessage(
        provider_message_id=wire.provider_message_id,
        sender_address=wire.sender_address,
        sender_name=wire.sender_name,
        text=wire.text,
        sent_at=min(_moment(wire.sent_at), now) if wire.HasField("sent_at") else now,
    )


def json_object(body: bytes) -> dict[str, object]:
    """Return the object that a body is, or raise MessageMalformed."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as flaw:
        raise _malformed("Send one JSON object in UTF-8.") from flaw
    if not isinstance(found, dict):
        raise _malformed("Send one JSON object in UTF-8.")
    return found


def received(account: ChannelAccount, message: InboundMessage) -> events.MessageReceived:
    """Return the message as it travels, or refuse a text that breaks the rule of its field."""
    event = events.MessageReceived(
        tenant_id=account.tenant_id,
        channel_account_id=account.channel_account_id,
        channel=_WIRE_CHANNELS[account.channel],
        queue_id=account.queue_id,
        message=WireMessage(
            provider_message_id=message.provider_message_id,
            sender_address=message.sender_address,
            sender_name=message.sender_name,
            sent_at=_timestamp(message.sent_at),
            text=message.text,
        ),
        account_incarnation=account.incarnation,
    )
    if (flaw := flaw_in(event.message)) is not None:
        raise _refused_text(flaw)
    return event


def checked_address(address: str) -> str:
    """Return it as a message would carry it, or refuse what nobody can be addressed by."""
    address = address.strip()
    if (flaw := flaw_of(WireMessage, "sender_address", address)) is not None:
        raise _refused_text(flaw)
    return address


def updated(fate: Fate) -> events.DeliveryUpdated:
    return events.DeliveryUpdated(
        tenant_id=fate.tenant_id,
        conversation_id=fate.conversation_id,
        message_id=fate.message_id,
        status=_STATUSES[fate.status],
        cause=fate.cause,
    )


def reply(event: ReplyRequested, position: int) -> Reply:
    channel = _CHANNELS.get(event.channel)
    if channel is None:
        raise DecodeError("a channel that this version does not know")
    return Reply(
        tenant_id=event.tenant_id,
        conversation_id=event.conversation_id,
        message_id=event.message_id,
        channel=channel,
        channel_account_id=event.channel_account_id,
        recipient_address=event.recipient_address,
        text=event.text,
        sent_at=_moment(event.sent_at),
        position=position,
    )


def account(
    tenant_id: str, wire: directory.ChannelAccount, secrets: tuple[str, ...], incarnation: int
) -> ChannelAccount | None:
    """None for a channel that this version does not know."""
    channel = _CHANNELS.get(wire.channel)
    if channel is None:
        return None
    return ChannelAccount(
        tenant_id=tenant_id,
        channel_account_id=wire.channel_account_id,
        channel=channel,
        queue_id=wire.queue_id,
        secrets=secrets,
        callback_url=wire.callback_url,
        allowed_origins=tuple(wire.allowed_origins),
        incarnation=incarnation,
    )


def wait(told: GetWaitResponse) -> Wait:
    return Wait(
        told.position,
        told.p50.ToTimedelta() if told.HasField("p50") else None,
        told.p90.ToTimedelta() if told.HasField("p90") else None,
    )


def position(text: str) -> int:
    """Read where an answer said that the next one goes on; 0 for the beginning, which is empty."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise MessageMalformed("Resume after a position that an answer named.", field="after")
    return int(text)


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(stamp: Timestamp) -> datetime:
    try:
        found = stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as flaw:
        raise _malformed("Send sentAt between the years 1 and 9999.") from flaw
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _refused_text(flaw: TextFlaw) -> errors.Refusal:
    """Return our word for a text that breaks its rule, by the name it has in JSON."""
    field = WireMessage.DESCRIPTOR.fields_by_name[flaw.field].json_name
    most = flaw.rule.max_length
    match flaw.field, flaw.fault:
        case "provider_message_id", Fault.EMPTY:
            return errors.ProviderMessageIdMissing(
                "Set providerMessageId to the provider's own id of the message.", field=field
            )
        case "sender_address", Fault.EMPTY:
            return errors.SenderAddressMissing(
                "Set senderAddress to what replies shall be addressed to.", field=field
            )
        case "text", Fault.EMPTY:
            return errors.TextMissing("Set text to what the customer wrote.", field=field)
        case "text", Fault.TOO_LONG:
            return errors.TextTooLong(
                f"Split the text: {most} characters are the limit.", field=field
            )
        case _, Fault.TOO_LONG:
            return MessageMalformed(
                f"Shorten {field}: {most} characters are the limit.", field=field
            )
        case _:
            return MessageMalformed(f"Leave control characters out of {field}.", field=field)


def _malformed(advice: str) -> MessageMalformed:
    return MessageMalformed(advice)
