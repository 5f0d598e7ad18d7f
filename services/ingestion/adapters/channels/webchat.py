"""The widget on a web page: a visitor's token in, a stored reply and a ring of the bell out."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol

from services.ingestion import messages
from services.ingestion.domain import visitor as tokens
from services.ingestion.domain.account import ChannelAccount
from services.ingestion.domain.delivery import Final, Reply, Sent
from services.ingestion.domain.errors import MessageMalformed, ProviderMessageIdMissing
from services.ingestion.domain.message import InboundMessage
from services.ingestion.domain.visitor import Visitor
from services.ingestion.use_cases.connector import Capabilities, Envelope
from services.kernel.ids import is_token


class Store(Protocol):
    def keep(self, visitor: Visitor, reply: Reply) -> Awaitable[None]:
        """Store it behind all replies of the visitor; once, however often it is called."""


class Ring(Protocol):
    async def ring(self, visitor: Visitor) -> None:
        """Wake whoever waits for the visitor's replies; may be lost."""


class WebchatConnector:
    capabilities = Capabilities(max_text=messages.LONGEST_REPLY)

    def __init__(self, store: Store, bell: Ring) -> None:
        self._store = store
        self._bell = bell

    def verify(self, envelope: Envelope, account: ChannelAccount, now: datetime) -> str:
        token = bearer(envelope.headers.get("authorization", ""))
        return tokens.verify(token, account.key, account.secrets, now).visitor.visitor_id

    def parse(self, envelope: Envelope, speaker: str, now: datetime) -> InboundMessage:
        """The widget's id counts within its visitor; the time is ours, a page's clock may lie."""
        found = messages.json_object(envelope.body)
        client_id, text, name = (found.get(field, "") for field in ("id", "text", "name"))
        if client_id == "":
            raise ProviderMessageIdMissing("Set id to one of the page's own.", field="id")
        if not isinstance(client_id, str) or not is_token(client_id):
            raise MessageMalformed("Send an id of 1 to 64 of [A-Za-z0-9_-].", field="id")
        if not isinstance(text, str) or not isinstance(name, str):
            raise MessageMalformed("Send text and name as strings.", field="text")
        if not _is_unicode(text + name):
            raise MessageMalformed("Send text that is valid Unicode.", field="text")
        return InboundMessage(
            provider_message_id=f"{speaker}:{client_id}",
            sender_address=speaker,
            sender_name=name,
            text=text,
            sent_at=now,
        )

    async def send(self, account: ChannelAccount, reply: Reply) -> Sent:
        if not is_token(reply.recipient_address):
            raise Final("RECIPIENT_UNKNOWN")
        visitor = Visitor(*account.key, reply.recipient_address)
        await self._store.keep(visitor, reply)
        await self._bell.ring(visitor)
        return Sent()


def bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
