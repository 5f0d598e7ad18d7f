"""A reader of a stream that runs beside a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from services.kernel.bus import Bus
from services.kernel.tail import tail


@asynccontextmanager
async def following(bus: Bus, stream: str) -> AsyncIterator[list[int]]:
    """Collect the sequences that a tail yields."""
    seen: list[int] = []

    async def follow() -> None:
        async with aclosing(tail(bus, stream)) as batches:
            async for batch in batches:
                seen.extend(one.sequence for one in batch)

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
