"""Those who share a key go one after the other, or a few at once, in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K")


class Turns(Generic[K]):
    """First come, first served.

    Replicas still race: what must hold between them too is up to the store.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._at_once = at_once
        self._waiting: dict[K, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def of(self, key: K) -> AsyncIterator[None]:
        places, users = self._waiting.get(key, (asyncio.Semaphore(self._at_once), 0))
        self._waiting[key] = (places, users + 1)
        try:
            async with places:
                yield
        finally:
            places, users = self._waiting.pop(key)
            if users > 1:
                self._waiting[key] = (places, users - 1)
