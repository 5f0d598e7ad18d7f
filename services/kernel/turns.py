"""Those who share a key go one after the other, in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K")


class Turns(Generic[K]):
    """First come, first served.

    Replicas still race: what must hold between them too is up to the store.
    """

    def __init__(self) -> None:
        self._waiting: dict[K, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, key: K) -> AsyncIterator[None]:
        lock, users = self._waiting.get(key, (asyncio.Lock(), 0))
        self._waiting[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._waiting.pop(key)
            if users > 1:
                self._waiting[key] = (lock, users - 1)
