"""Channel accounts as directory has them, at hand when a webhook comes, and when directory is out.

The caches keep secrets, in memory only.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import grpc
from centralita.directory.v1.directory_service_pb2 import ResolveChannelAccountRequest
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from centralita.directory.v1.events_pb2 import ChannelAccountChanged

from services.ingestion import messages
from services.ingestion.domain.account import ChannelAccount
from services.ingestion.domain.errors import ChannelAccountNotFound, DependencyUnavailable
from services.kernel.bus import Bus
from services.kernel.ending import ended
from services.kernel.ids import is_token
from services.kernel.projection import projecting

Key = tuple[str, str]

FRESH = 60.0
RENEW_EARLY = 48.0  # asked again in the background, so that nobody waits for it
ABSENT = 5.0
USABLE = 600.0  # with directory out; a change would have been announced on the bus
ASK_AGAIN = 5.0
MOST = 10_000
_DEADLINE = 2.0
_NONE_THERE = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}
"""What the directory says of ids that name nothing, and of ids that nothing can have."""


class Source(Protocol):
    async def get(self, tenant_id: str, channel_account_id: str) -> ChannelAccount: ...


class DirectoryAccounts:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._directory = DirectoryServiceStub(channel)

    async def get(self, tenant_id: str, channel_account_id: str) -> ChannelAccount:
        try:
            found = await self._directory.ResolveChannelAccount(
                ResolveChannelAccountRequest(
                    tenant_id=tenant_id, channel_account_id=channel_account_id
                ),
                timeout=_DEADLINE,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in _NONE_THERE:
                raise ChannelAccountNotFound from error
            raise DependencyUnavailable(
                "The directory does not answer, so the account is not known; send it again."
            ) from error
        account = messages.account(
            tenant_id, found.channel_account, tuple(found.secrets), found.incarnation
        )
        if account is None:
            raise ChannelAccountNotFound
        return account


@dataclass(slots=True)
class _Entry:
    account: ChannelAccount | None  # None: there is none
    since: float
    asked: float


class CachedAccounts:
    """One question at a time per account, however many wait for its answer."""

    def __init__(self, source: Source, now: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._now = now
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[_Entry]] = {}

    async def get(self, tenant_id: str, channel_account_id: str) -> ChannelAccount:
        """Raise ChannelAccountNotFound, or DependencyUnavailable when nobody can tell."""
        if not is_token(tenant_id) or not is_token(channel_account_id):
            raise ChannelAccountNotFound
        key = tenant_id, channel_account_id
        entry = self._entries.get(key)
        if entry is None or not self._is_fresh(entry):
            entry = await self._renewed(key, entry)
        elif entry.account is not None and self._now() - entry.since > RENEW_EARLY:
            self._ask(key)
        if entry.account is None:
            raise ChannelAccountNotFound
        return entry.account

    def forget(self, key: Key) -> None:
        """Ask again next time; an answer under way may be older than what just changed."""
        self._entries.pop(key, None)
        self._asking.pop(key, None)

    async def close(self) -> None:
        await ended(*self._asking.values())

    def _is_fresh(self, entry: _Entry) -> bool:
        age = self._now() - entry.since
        if entry.account is None:
            return age < ABSENT
        return age < FRESH or (age < USABLE and self._now() - entry.asked < ASK_AGAIN)

    async def _renewed(self, key: Key, old: _Entry | None) -> _Entry:
        try:
            return await asyncio.shield(self._ask(key))
        except DependencyUnavailable:
            # What changed meanwhile was announced, and the entry is then gone.
            kept = self._entries.get(key) if old is not None else None
            if kept is None or kept.account is None or self._now() - kept.since > USABLE:
                raise
            return kept

    def _ask(self, key: Key) -> asyncio.Task[_Entry]:
        task = self._asking.get(key)
        if task is None:
            if entry := self._entries.get(key):
                entry.asked = self._now()
            task = asyncio.create_task(self._answer(key))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._keep(key, done))
        return task

    async def _answer(self, key: Key) -> _Entry:
        asked = self._now()
        try:
            account: ChannelAccount | None = await self._source.get(*key)
        except ChannelAccountNotFound:
            account = None
        return _Entry(account, self._now(), asked)

    def _keep(self, key: Key, done: asyncio.Task[_Entry]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if self._asking.get(key) is not done:
            return  # forgotten while it was under way
        del self._asking[key]
        if failed:
            return
        self._entries.pop(key, None)
        self._entries[key] = done.result()
        while len(self._entries) > MOST:
            self._entries.popitem(last=False)


@asynccontextmanager
async def cached(channel: grpc.aio.Channel, bus: Bus) -> AsyncIterator[CachedAccounts]:
    """Accounts that are forgotten as soon as directory announces a change."""
    accounts = CachedAccounts(DirectoryAccounts(channel))

    def changed(event: ChannelAccountChanged) -> None:
        accounts.forget((event.tenant_id, event.channel_account_id))

    try:
        async with projecting(bus, "DIRECTORY", {ChannelAccountChanged: changed}, new=True):
            yield accounts
    finally:
        await accounts.close()
