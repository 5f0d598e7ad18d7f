"""Snapshots of the past, as long as the logs are kept: where explaining begins to read."""

import logging
from dataclasses import dataclass
from typing import Self

from nats.errors import Error
from nats.js.errors import APIError, NotFoundError

from services.dispatch.use_cases.ports import Position, Shard, Unknown
from services.kernel.bus import Bus
from services.kernel.causes import cause_of

log = logging.getLogger(__name__)

BUCKET = "dispatch-archive"
KEEP_EVERY_RECORDS = 50_000
"""Records of the journal between two of them: what an explanation folds at most."""
_TROUBLE = (Error, APIError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True, order=True)
class _Name:
    """Says in the store's listing which moment a snapshot is of."""

    shard: Shard
    record: int
    at: int

    def __str__(self) -> str:
        return f"shard-{self.shard}.{self.record}.{self.at}"

    @classmethod
    def read(cls, text: str) -> Self:
        shard, record, at = text.removeprefix("shard-").split(".")
        return cls(int(shard), int(record), int(at))


class SnapshotArchive:
    """Keeps a snapshot now and then, and finds the last before a moment."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kept: dict[Shard, int] = {}

    async def keep(self, shard: Shard, position: Position, at: int, data: bytes) -> None:
        """Keep this one if the last is long ago. Failing is harmless: reading begins earlier."""
        try:
            if shard not in self._kept:
                names = await self._names(shard)
                self._kept[shard] = max((it.record for it in names), default=-KEEP_EVERY_RECORDS)
            if position.sequence - self._kept[shard] >= KEEP_EVERY_RECORDS:
                store = await self._bus.js.object_store(BUCKET)
                await store.put(str(_Name(shard, position.sequence, at)), data)
                self._kept[shard] = position.sequence
        except _TROUBLE as trouble:
            log.warning("snapshot not archived", extra={"cause": cause_of(trouble)})

    async def before(self, shard: Shard, record: int, at: int) -> bytes:
        """Return the last snapshot that is neither behind the record nor behind the moment.

        Nothing when none is kept. Raises Unknown.
        """
        try:
            fitting = [it for it in await self._names(shard) if it.record <= record and it.at <= at]
            if not fitting:
                return b""
            store = await self._bus.js.object_store(BUCKET)
            return (await store.get(str(max(fitting)))).data or b""
        except NotFoundError:
            return b""
        except _TROUBLE as silence:
            raise Unknown from silence

    async def _names(self, shard: Shard) -> list[_Name]:
        store = await self._bus.js.object_store(BUCKET)
        try:
            names = [_Name.read(it.name) for it in await store.list(ignore_deletes=True)]
        except NotFoundError:
            return []
        return [it for it in names if it.shard == shard]
