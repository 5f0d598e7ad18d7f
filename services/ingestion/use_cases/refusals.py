"""What was refused of an account's messages, for the connector that can sign for the account."""

from collections.abc import Mapping
from typing import Protocol

from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.refused import RefusedPage
from services.kernel.clock import Clock

from .accept import Accounts, account_of
from .connector import Envelope, ReportingConnector


class Refusals(Protocol):
    async def page(self, account: ChannelAccount, after: int, limit: int) -> RefusedPage:
        """Return what lies behind a position, oldest first. Raises DependencyUnavailable."""


class ReadRefusals:
    """Judged like a message: nobody reads of an account without its secret."""

    def __init__(
        self,
        accounts: Accounts,
        connectors: Mapping[Channel, ReportingConnector],
        refusals: Refusals,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._connectors = connectors
        self._refusals = refusals
        self._clock = clock

    async def __call__(
        self, channel: Channel, key: tuple[str, str], envelope: Envelope
    ) -> RefusedPage:
        account = await account_of(self._accounts, channel, key, envelope)
        connector = self._connectors[channel]
        connector.verify(envelope, account, self._clock())
        wanted = connector.parse_wanted(envelope)
        return await self._refusals.page(account, wanted.after, wanted.limit)
