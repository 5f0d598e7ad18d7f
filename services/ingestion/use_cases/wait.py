"""How long a customer will wait, for the customer or the connector that carries their messages."""

from collections.abc import Mapping
from typing import Protocol

from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.wait import Wait
from services.kernel.clock import Clock

from .accept import Accounts, Throttle, account_of
from .connector import Connector, Envelope


class Conversations(Protocol):
    async def waiting(self, account: ChannelAccount, address: str) -> str:
        """Return the id of the open conversation that nobody holds; empty when there is none.

        Raises Refusal for what is no address, and DependencyUnavailable.
        """


class Router(Protocol):
    async def wait(self, tenant_id: str, task_id: str) -> Wait | None:
        """None when it knows no such task. Raises DependencyUnavailable."""


class TellWait:
    """Judged like a message; who asks has a share of the rates that costs them no message."""

    def __init__(  # noqa: PLR0913, PLR0917 - its ports, as in AcceptMessage
        self,
        accounts: Accounts,
        connectors: Mapping[Channel, Connector],
        conversations: Conversations,
        router: Router,
        clock: Clock,
        throttles: Mapping[Channel, Throttle] | None = None,
    ) -> None:
        self._accounts = accounts
        self._connectors = connectors
        self._conversations = conversations
        self._router = router
        self._clock = clock
        self._throttles = throttles or {}

    async def __call__(
        self, channel: Channel, key: tuple[str, str], envelope: Envelope
    ) -> Wait | None:
        """Return None for who does not wait: with an agent already, or with nothing open.

        Whoever is not the customer says who is, as in a message of theirs.
        """
        now = self._clock()
        account = await account_of(self._accounts, channel, key, envelope)
        connector = self._connectors[channel]
        speaker = connector.verify(envelope, account, now)
        if throttle := self._throttles.get(channel):
            throttle.take(account, envelope.client, speaker)
        address = speaker or connector.parse(envelope, speaker, now).sender_address
        waiting = await self._conversations.waiting(account, address)
        return await self._router.wait(account.tenant_id, waiting) if waiting else None
