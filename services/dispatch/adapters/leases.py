"""Who leads a shard, in a key-value bucket."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from nats.errors import Error
from nats.js.errors import APIError, KeyNotFoundError
from nats.js.kv import KeyValue

from services.dispatch.use_cases.ports import Shard
from services.kernel.bus import Bus
from services.kernel.ending import beside

log = logging.getLogger(__name__)

BUCKET = "dispatch-leases"
LEASE_S = 1.25
"""A leader that has not renewed for this long is taken for dead."""
RENEW_S = 0.4
LOOK_S = 0.15
_FREE = b""
_TROUBLE = (Error, APIError, TimeoutError, OSError)


class KeyValueLeases:
    """See the port. Time is each process's own: only how long a revision stands unchanged."""

    def __init__(self, bus: Bus, owner_id: str) -> None:
        self._bus = bus
        self._owner = owner_id.encode()

    @asynccontextmanager
    async def held(self, shard: Shard) -> AsyncIterator[Callable[[], bool]]:
        lease = _Lease(await self._bucket(), f"shard-{shard}", self._owner)
        await lease.take()
        try:
            async with beside(lease.renew()):
                yield lease.holds
        finally:
            await lease.release()

    async def _bucket(self) -> KeyValue:
        while True:
            try:
                return await self._bus.js.key_value(BUCKET)
            except _TROUBLE as trouble:
                log.warning("no leases", extra={"error": type(trouble).__name__})
                await asyncio.sleep(LOOK_S)


class _Lease:
    def __init__(self, bucket: KeyValue, key: str, owner: bytes) -> None:
        self._bucket = bucket
        self._key = key
        self._owner = owner
        self._revision = 0
        self._renewed_at = 0.0
        self._lost = False

    def holds(self) -> bool:
        return not self._lost and self._now() < self._renewed_at + LEASE_S

    async def take(self) -> None:
        seen, since = -1, self._now()
        while True:
            try:
                revision, value = await self._read()
                if revision != seen:
                    seen, since = revision, self._now()
                if value == _FREE or self._now() - since > LEASE_S:
                    await self._write(self._owner, revision)
                    return
            except _TROUBLE:
                seen = -1  # nothing was seen, so nothing stood still
            await asyncio.sleep(LOOK_S)

    async def renew(self) -> None:
        while not self._lost:
            await asyncio.sleep(RENEW_S)
            try:
                await self._write(self._owner, self._revision)
            except APIError:
                self._lost = True
            except (Error, TimeoutError, OSError):
                # Unknown: it may have been written. The lease runs out unless a read says so.
                await self._look()

    async def release(self) -> None:
        with suppress(*_TROUBLE):
            if self.holds():
                await self._write(_FREE, self._revision)

    async def _look(self) -> None:
        with suppress(*_TROUBLE):
            revision, value = await self._read()
            self._lost = value != self._owner
            self._revision = revision

    async def _read(self) -> tuple[int, bytes]:
        try:
            entry = await self._bucket.get(self._key)
        except KeyNotFoundError:
            return 0, _FREE
        return entry.revision or 0, entry.value or _FREE

    async def _write(self, value: bytes, revision: int) -> None:
        asked_at = self._now()
        self._revision = await self._bucket.update(self._key, value, last=revision)
        self._renewed_at = asked_at

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
