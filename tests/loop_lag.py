"""How long the event loop was not free, and how much the process worked meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass


@dataclass
class Lag:
    worst: float = 0.0  # seconds
    cpu_share: float = 0.0  # of one core


@asynccontextmanager
async def measured() -> AsyncIterator[Lag]:
    """Measure until the context is left."""
    lag = Lag()
    ticking = asyncio.create_task(_tick(lag))
    began, cpu = time.monotonic(), time.process_time()
    try:
        yield lag
    finally:
        lag.cpu_share = (time.process_time() - cpu) / (time.monotonic() - began)
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking


async def _tick(lag: Lag, every: float = 0.02) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(every)
        lag.worst = max(lag.worst, time.monotonic() - before - every)
