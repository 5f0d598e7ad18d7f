"""Bring a reply to its channel, once as far as the channel can tell, and say what became of it."""

import logging
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.delivery import (
    KEEP_ORDER_FOR,
    Delivery,
    Fate,
    Final,
    Reply,
    Retry,
    Status,
    next_try,
)
from services.ingestion.domain.errors import ChannelAccountNotFound
from services.ingestion.domain.gate import Gate
from services.kernel.clock import Clock
from services.kernel.telemetry import meter
from services.kernel.turns import Turns

from .accept import Accounts, Fates
from .connector import Connector

log = logging.getLogger(__name__)

_BEHIND_AN_EARLIER_ONE = timedelta(milliseconds=250)


class Deliveries(Protocol):
    def begin(self, reply: Reply, now: datetime) -> Awaitable[Delivery]:
        """Note that the reply is on its way, once; return what is known of it."""

    async def is_behind(self, delivery: Delivery, since: datetime) -> bool:
        """Whether an earlier reply of the conversation, begun after `since`, is still under way.

        The positions tell which is earlier. What another replica has not begun yet is not seen.
        """

    async def tried(self, reply: Reply) -> None:
        """Count a try that did not settle it."""

    async def settle(self, reply: Reply, status: Status, cause: str) -> None: ...


class DeliverReply:
    """Return None when the fate of the reply is known and told, else how long to wait.

    Nothing sleeps here: the bus keeps the reply and hands it in again after the delay.
    """

    def __init__(  # noqa: PLR0913 (its ports, each by its name)
        self,
        *,
        accounts: Accounts,
        connectors: Mapping[Channel, Connector],
        deliveries: Deliveries,
        fates: Fates,
        clock: Clock,
        gate: Gate,
    ) -> None:
        self._accounts = accounts
        self._connectors = connectors
        self._deliveries = deliveries
        self._fates = fates
        self._clock = clock
        self._gate = gate
        self._turns: Turns[tuple[str, str]] = Turns()
        self._failed = meter().create_counter("centralita.ingestion.delivery.failed")

    async def __call__(self, reply: Reply) -> timedelta | None:
        # Before the gate, so that a later reply of the conversation sees this one waiting; and in
        # turns, because they come in order, but the store may answer the later one first.
        async with self._turns.of((reply.tenant_id, reply.conversation_id)):
            delivery = await self._deliveries.begin(reply, self._clock())
            now = self._clock()
            behind = await self._deliveries.is_behind(delivery, now - KEEP_ORDER_FOR)
        if delivery.status is not Status.PENDING:
            await self._tell(reply, delivery.status, delivery.cause)
            return None
        if behind:
            return max(_BEHIND_AN_EARLIER_ONE, (now - delivery.began_at) / 2)
        if (wait := self._gate.enter(reply.account_key, self._clock())) is not None:
            return wait
        try:
            return await self._try(reply, delivery)
        finally:
            self._gate.leave(reply.account_key)

    async def _try(self, reply: Reply, delivery: Delivery) -> timedelta | None:
        status, cause = Status.SENT, ""
        try:
            account = await self._accounts.get(*reply.account_key)
            await self._send(account, reply)
        except Retry as later:
            return await self._later(reply, delivery, later)
        except ChannelAccountNotFound as gone:
            status, cause = Status.FAILED, gone.reason
        except Final as no:
            status, cause = Status.FAILED, no.cause
        if status is Status.FAILED:
            self._note(reply, delivery, cause, "given up")
        self._gate.well(reply.account_key)
        await self._settle(reply, status, cause)
        return None

    async def _send(self, account: ChannelAccount, reply: Reply) -> None:
        if account.channel is not reply.channel:
            raise Final(ChannelAccountNotFound.reason)
        connector = self._connectors[account.channel]
        if len(reply.text) > connector.capabilities.max_text:
            raise Final("TEXT_TOO_LONG")
        await connector.send(account, reply)

    async def _later(self, reply: Reply, delivery: Delivery, later: Retry) -> timedelta | None:
        now = self._clock()
        if later.pause_account:
            self._gate.pause(reply.account_key, now, later.after)
        else:
            self._gate.well(reply.account_key)
        delay = next_try(delivery, later, now)
        self._note(reply, delivery, later.cause, "given up" if delay is None else "tried again")
        if delay is None:
            await self._settle(reply, Status.FAILED, later.cause)
        else:
            await self._deliveries.tried(reply)
        return delay

    def _note(self, reply: Reply, delivery: Delivery, cause: str, then: str) -> None:
        """Count and log a try that failed: the agent sees its cause, an operator the account."""
        self._failed.add(1, {"channel": reply.channel.value, "cause": cause, "then": then})
        about = {
            "tenant_id": reply.tenant_id,
            "channel_account_id": reply.channel_account_id,
            "message_id": reply.message_id,
            "cause": cause,
            "attempt": delivery.attempts + 1,
        }
        log.warning("a reply was not delivered and is %s", then, extra=about)

    async def _settle(self, reply: Reply, status: Status, cause: str) -> None:
        await self._deliveries.settle(reply, status, cause)
        await self._tell(reply, status, cause)

    async def _tell(self, reply: Reply, status: Status, cause: str) -> None:
        await self._fates.tell(
            Fate(reply.tenant_id, reply.conversation_id, reply.message_id, status, cause)
        )
