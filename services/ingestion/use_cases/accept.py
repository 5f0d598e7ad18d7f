"""Whether what came in is genuine and new. One path for the webhook, gRPC, the bus and webchat."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.delivery import Delivery, Fate
from services.ingestion.domain.errors import BodyTooLarge, ChannelAccountNotFound, ReplyNotFound
from services.ingestion.domain.message import LARGEST_BODY, InboundMessage
from services.kernel.clock import Clock

from .connector import Connector, Envelope, ReportingConnector


class Accounts(Protocol):
    async def get(self, tenant_id: str, channel_account_id: str) -> ChannelAccount:
        """Raise ChannelAccountNotFound, or DependencyUnavailable when nobody can tell."""


class Inbox(Protocol):
    async def received(self, account: ChannelAccount, message: InboundMessage) -> bool:
        """Return once it is stored durably; True when it had been shortly before.

        Raises Refusal for a text that breaks the rule of its field, and, as MessageIdReused, for
        another text than the sender's message of this id had.
        """


class Fates(Protocol):
    async def tell(self, fate: Fate) -> None:
        """Return once it is stored durably; telling it again changes nothing."""


class Deliveries(Protocol):
    async def find(self, tenant_id: str, message_id: str) -> Delivery | None: ...


class Throttle(Protocol):
    def take(self, account: ChannelAccount, client: str, speaker: str) -> None:
        """Raise RateLimited when one of them has had enough for now."""


class AcceptMessage:
    """Size, account, signature, and only then anything that costs: so noise stays outside."""

    def __init__(
        self,
        accounts: Accounts,
        connectors: Mapping[Channel, Connector],
        inbox: Inbox,
        clock: Clock,
        throttles: Mapping[Channel, Throttle] | None = None,
    ) -> None:
        self._accounts = accounts
        self._connectors = connectors
        self._inbox = inbox
        self._clock = clock
        self._throttles = throttles or {}

    async def __call__(
        self,
        channel: Channel,
        key: tuple[str, str],
        envelope: Envelope,
        arrived_at: datetime | None = None,
    ) -> bool:
        """Return once the message is stored on the bus; True when it had been before.

        `arrived_at` is when a store we trust took it, where that is not now: what waited on the
        bus while we were away has not become a replay.
        """
        now = self._clock()
        account = await account_of(self._accounts, channel, key, envelope)
        connector = self._connectors[channel]
        speaker = connector.verify(envelope, account, arrived_at or now)
        if throttle := self._throttles.get(channel):
            throttle.take(account, envelope.client, speaker)
        message = connector.parse(envelope, speaker, arrived_at or now)
        return await self._inbox.received(account, message)


class AcceptStatus:
    """A provider's word on a reply that went out through the same account."""

    def __init__(
        self,
        accounts: Accounts,
        connectors: Mapping[Channel, ReportingConnector],
        deliveries: Deliveries,
        fates: Fates,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._connectors = connectors
        self._deliveries = deliveries
        self._fates = fates
        self._clock = clock

    async def __call__(self, channel: Channel, key: tuple[str, str], envelope: Envelope) -> None:
        account = await account_of(self._accounts, channel, key, envelope)
        connector = self._connectors[channel]
        connector.verify(envelope, account, self._clock())
        report = connector.parse_status(envelope)
        delivery = await self._deliveries.find(account.tenant_id, report.message_id)
        if delivery is None or delivery.channel_account_id != account.channel_account_id:
            raise ReplyNotFound(
                "No such reply went out through this account: send the messageId of the call-back."
            )
        await self._fates.tell(
            Fate(
                delivery.tenant_id,
                delivery.conversation_id,
                delivery.message_id,
                report.status,
                report.cause,
            )
        )


async def account_of(
    accounts: Accounts, channel: Channel, key: tuple[str, str], envelope: Envelope
) -> ChannelAccount:
    """Return the account if it has this channel. Raises BodyTooLarge first, which costs nothing."""
    if len(envelope.signed) > LARGEST_BODY:
        raise BodyTooLarge(f"Send at most {LARGEST_BODY} bytes.")
    account = await accounts.get(*key)
    if account.channel is not channel:
        raise ChannelAccountNotFound
    return account
