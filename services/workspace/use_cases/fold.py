"""Fold a fact of another service into the card of its conversation."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Protocol

from services.kernel.again import again_if
from services.workspace.domain.errors import Stale
from services.workspace.domain.sources import Fact, Opening, Sources


class Store(Protocol):
    """The sources of each conversation."""

    def recalled(self, tenant_id: str, conversation_id: str) -> Sources | None:
        """What this process wrote last, at no cost. Another may have written since."""
        ...

    async def read(self, tenant_id: str, conversation_id: str) -> Sources | None: ...

    async def save(self, before: Sources, after: Sources) -> None:
        """Write and announce `after` if the store still has `before`, or raise Stale."""
        ...


class FoldFact:
    """Facts of one conversation are folded one at a time in this process.

    Several consumers bring them at once; in a lane they do not race each other, and the write may
    start from what this process wrote last: one round trip for a fact. A race with another replica
    is lost without harm, and the loser reads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lanes = _Lanes()

    async def __call__(self, tenant_id: str, conversation_id: str, fact: Fact) -> None:
        async with self._lanes.lane((tenant_id, conversation_id)):
            known = self._store.recalled(tenant_id, conversation_id)
            if known is None and isinstance(fact, Opening):
                # Most often nothing is there before the opening: try that before reading.
                known = Sources(tenant_id, conversation_id)
            if known is not None:
                try:
                    await self._tell(known, fact)
                except Stale:
                    known = None
            if known is None:
                await self._read_and_tell(tenant_id, conversation_id, fact)

    @again_if(Stale)
    async def _read_and_tell(self, tenant_id: str, conversation_id: str, fact: Fact) -> None:
        known = await self._store.read(tenant_id, conversation_id)
        await self._tell(known or Sources(tenant_id, conversation_id), fact)

    async def _tell(self, known: Sources, fact: Fact) -> None:
        # What brings nothing new to an older state brings nothing to a newer one: folds only grow.
        after = known.told(fact)
        if after is not known:
            await self._store.save(known, after)


class _Lanes:
    """One lock for each key that is in use."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def lane(self, key: Hashable) -> AsyncIterator[None]:
        lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users > 1:
                self._locks[key] = lock, users - 1
            else:
                del self._locks[key]
