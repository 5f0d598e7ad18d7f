"""What has come in for a shard, and the alarm of its timers."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from services.kernel.ending import ended

from .ports import Entry

BATCH = 128
"""Inputs that commit together at most: bounds what one append holds up."""


class News:
    """Collects inputs while the leader is busy."""

    def __init__(self, entries: AsyncIterator[list[Entry]]) -> None:
        self._entries = entries
        self._waiting: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await ended(self._reader)

    async def within(self, seconds: float) -> list[Entry]:
        """Return what has come in, oldest first; nothing when nothing came in time."""
        if not self._waiting and seconds > 0:
            self._wake.clear()
            alarm = asyncio.get_running_loop().call_later(seconds, self._wake.set)
            await self._wake.wait()
            alarm.cancel()
        if self._reader is not None and self._reader.done():
            self._reader.result()
        waiting = self._waiting
        if len(waiting) <= BATCH:
            batch = list(waiting)
            waiting.clear()
            return batch
        return [waiting.popleft() for _ in range(BATCH)]

    async def _read(self) -> None:
        try:
            async for batch in self._entries:
                self._waiting.extend(batch)
                self._wake.set()
        finally:
            self._wake.set()
