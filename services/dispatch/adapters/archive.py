"""Snapshots of the past, as long as the logs are kept: where explaining begins to read."""

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Self

from nats.errors import Error
from nats.js.errors import APIError

from services.dispatch.use_cases.ports import Position, Shard, Unknown
from services.kernel.bus import Bus
from services.kernel.causes import cause_of
from services.kernel.unreadable import understood

from .objects import names, stored

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
                kept = await self._names(shard)
                self._kept[shard] = max((it.record for it in kept), default=-KEEP_EVERY_RECORDS)
            if position.sequence - self._kept[shard] >= KEEP_EVERY_RECORDS:
                store = await self._bus.js.object_store(BUCKET)
                await store.put(str(_Name(shard, position.sequence, at)), data)
                self._kept[shard] = position.sequence
        except (Unknown, *_TROUBLE) as trouble:
            log.warning("snapshot not archived", extra={"cause": cause_of(trouble)})

    async def before(self, shard: Shard, record: int, at: int) -> AsyncGenerator[bytes, None]:
        """Yield what is kept and neither behind the record nor behind the moment, last first.

        Also what is DAMAGED. Raises Unknown.
        """
        fitting = [it for it in await self._names(shard) if it.record <= record and it.at <= at]
        for name in sorted(fitting, reverse=True):
            if (data := await stored(self._bus, BUCKET, str(name))) is not None:
                yield data

    async def _names(self, shard: Shard) -> list[_Name]:
        read = (
            understood(BUCKET, partial(_Name.read, it)) for it in await names(self._bus, BUCKET)
        )
        return [it for it in read if it is not None and it.shard == shard]
