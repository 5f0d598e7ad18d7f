"""Refusals as they lie in the stream of facts: of one tenant, looked through for one account."""

import asyncio

from centralita.ingestion.v1.events_pb2 import MessageRefused
from google.protobuf.message import DecodeError
from nats.errors import Error
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from services.ingestion.domain.account import ChannelAccount
from services.ingestion.domain.errors import DependencyUnavailable
from services.ingestion.domain.refused import Refused, RefusedPage
from services.kernel.bus import Bus
from services.kernel.wire import parsed, subject_of

STREAM = "INGESTION"
LOOKED_AT = 500
"""Refusals of the tenant's other accounts that one page passes over, at most."""
_PATIENCE = 5.0


class StreamRefusals:
    """See the port."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def page(self, account: ChannelAccount, after: int, limit: int) -> RefusedPage:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._page(account, after, limit)
        except (Error, OSError, TimeoutError) as silence:
            raise DependencyUnavailable(
                "The refusals cannot be read at the moment; ask again."
            ) from silence

    async def _page(self, account: ChannelAccount, after: int, limit: int) -> RefusedPage:
        subject = subject_of(MessageRefused(tenant_id=account.tenant_id))
        refused: list[Refused] = []
        for _ in range(LOOKED_AT):
            if len(refused) == limit:
                break
            try:
                found = await self._bus.js.get_msg(STREAM, after + 1, subject, next=True)
            except NotFoundError:
                return RefusedPage(refused, after, more=False)
            after = found.seq or after + 1
            if (one := _of(account, found)) is not None:
                refused.append(one)
        return RefusedPage(refused, after, more=True)


def _of(account: ChannelAccount, found: RawStreamMsg) -> Refused | None:
    """Return it if it is the account's, or nobody's: what could not be read names no account."""
    try:
        event = parsed(MessageRefused, found.data or b"", found.headers or {})
    except DecodeError:
        return None
    if event.channel_account_id not in ("", account.channel_account_id) or found.time is None:
        return None
    return Refused(event.provider_message_id, event.reason, found.time)
