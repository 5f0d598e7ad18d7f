"""Whether what this process writes is kept: tried now and then, where nobody looks.

A store that is full answers and reads; only a write tells. See
docs/adr/0024-a-process-is-ready-that-can-write.md.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .bus import Bus
from .causes import cause_of, is_refusal
from .ending import beside

if TYPE_CHECKING:
    from .mongo import Database  # half of the services have none

log = logging.getLogger(__name__)

Write = Callable[[], Awaitable[object]]

EVERY_S = 10.0
AGAIN_S = 2.0
"""After a refusal it is tried sooner: space may be back."""
WITHIN_S = 3.0
IN_A_ROW = 4
"""Refusals until a process is not ready: a broker that elects a leader refuses for a moment."""


class Health:
    """`well` says whether writes are kept, as far as was tried."""

    def __init__(self, writes: tuple[Write, ...]) -> None:
        self.well = True
        self._writes = writes
        self._refused = 0
        self._told: list[Callable[[bool], Awaitable[object]]] = []

    def tell(self, changed: Callable[[bool], Awaitable[object]]) -> None:
        """Call back with each change."""
        self._told.append(changed)

    async def watch(self) -> None:
        """Try for ever."""
        while True:
            self._refused = 0 if await self._kept() else self._refused + 1
            well = self._refused < IN_A_ROW
            if well != self.well:
                self.well = well
                log.error("writes are refused") if not well else log.info("writes are kept again")
                for changed in self._told:
                    await changed(well)
            await asyncio.sleep(AGAIN_S if self._refused else EVERY_S)

    async def _kept(self) -> bool:
        for write in self._writes:
            try:
                async with asyncio.timeout(WITHIN_S):
                    await write()
            except Exception as trouble:  # noqa: BLE001 - most of it is an outage, and heals
                if is_refusal(trouble):
                    log.warning("a write is refused", extra={"cause": cause_of(trouble)})
                    return False
        return True


@asynccontextmanager
async def health(name: str, bus: Bus, database: "Database | None" = None) -> AsyncIterator[Health]:
    """Try whether the bus, and the database if there is one, keep what `name` writes."""

    async def on_the_bus() -> None:
        await bus.js.publish(f"$KV.health.{name}", b"kept", timeout=WITHIN_S)

    async def in_the_store() -> None:
        if database is not None:
            at = {"$set": {"at": datetime.now(UTC)}}
            await database["health"].update_one({"_id": name}, at, upsert=True)

    it = Health((on_the_bus, in_the_store))
    async with beside(it.watch()):
        yield it
