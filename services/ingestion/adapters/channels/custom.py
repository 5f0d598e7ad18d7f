"""The custom channel: a tenant's own connector, signed webhook in, signed call-back out."""

import json
from datetime import datetime
from typing import Protocol

from services.ingestion import messages
from services.ingestion.adapters.callbacks import Callback
from services.ingestion.domain import signature
from services.ingestion.domain.account import ChannelAccount
from services.ingestion.domain.delivery import Final, Reply, Sent, Status
from services.ingestion.domain.errors import MessageMalformed
from services.ingestion.domain.message import InboundMessage
from services.ingestion.domain.refused import MOST_AT_ONCE
from services.ingestion.use_cases.connector import (
    Capabilities,
    Envelope,
    StatusReport,
    WantedRefusals,
)
from services.kernel.clock import Clock
from services.kernel.ids import is_token

_REPORTED = {status.value: status for status in (Status.DELIVERED, Status.READ, Status.FAILED)}
_DEFAULT_CAUSE = "FAILED_BY_CHANNEL"


class Poster(Protocol):
    async def post(self, callback: Callback) -> None:
        """Return when the other side took it, or raise Retry or Final."""


class CustomConnector:
    capabilities = Capabilities(max_text=messages.LONGEST_REPLY)

    def __init__(self, callbacks: Poster, clock: Clock) -> None:
        self._callbacks = callbacks
        self._clock = clock

    def verify(self, envelope: Envelope, account: ChannelAccount, now: datetime) -> str:
        header = envelope.headers.get(signature.HEADER.lower(), "")
        signature.verify(header, envelope.signed, account.secrets, now)
        return ""

    def parse(self, envelope: Envelope, speaker: str, now: datetime) -> InboundMessage:  # noqa: ARG002 (the account vouches for every sender)
        return messages.inbound(envelope.body, envelope.media_type, now)

    def parse_status(self, envelope: Envelope) -> StatusReport:
        found = messages.json_object(envelope.body)
        message_id, status, cause = (found.get(name, "") for name in _REPORT_FIELDS)
        if not isinstance(message_id, str) or not is_token(message_id):
            raise MessageMalformed("Send the messageId of the call-back.", field="messageId")
        if not isinstance(status, str) or status not in _REPORTED:
            known = ", ".join(_REPORTED)
            raise MessageMalformed(f"Send a status that is one of {known}.", field="status")
        if not isinstance(cause, str) or (cause and not is_token(cause)):
            raise MessageMalformed(
                "Send a cause of at most 64 letters, digits and underscores.", field="cause"
            )
        if _REPORTED[status] is not Status.FAILED:
            return StatusReport(message_id, _REPORTED[status])
        return StatusReport(message_id, Status.FAILED, cause or _DEFAULT_CAUSE)

    def parse_wanted(self, envelope: Envelope) -> WantedRefusals:
        found = messages.json_object(envelope.body)
        limit = found.get("limit", MOST_AT_ONCE)
        # A boolean is a number to Python.
        if type(limit) is not int or not 1 <= limit <= MOST_AT_ONCE:
            raise MessageMalformed(f"Ask for 1 to {MOST_AT_ONCE} refusals.", field="limit")
        after = found.get("after", "")
        if not isinstance(after, str):
            raise MessageMalformed("Send the text that an answer gave.", field="after")
        return WantedRefusals(messages.position(after), limit)

    async def send(self, account: ChannelAccount, reply: Reply) -> Sent:
        if not account.callback_url:
            raise Final("CALLBACK_URL_MISSING")
        if not account.secrets:
            raise Final("CALLBACK_SECRET_MISSING")
        body = callback_body(reply)
        newest, *older = account.secrets
        signed = signature.sign(newest, body, self._clock(), *older)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": reply.message_id,
            signature.HEADER: signed,
        }
        await self._callbacks.post(Callback(account.callback_url, body, headers))
        return Sent()


_REPORT_FIELDS = ("messageId", "status", "cause")


def callback_body(reply: Reply) -> bytes:
    """What a connector receives; docs/connectors.md shows it."""
    return json.dumps(
        {
            "tenantId": reply.tenant_id,
            "channelAccountId": reply.channel_account_id,
            "conversationId": reply.conversation_id,
            "messageId": reply.message_id,
            "recipientAddress": reply.recipient_address,
            "sentAt": messages.rfc3339(reply.sent_at),
            "text": reply.text,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
