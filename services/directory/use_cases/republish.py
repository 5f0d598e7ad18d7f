"""Heal a lost stream: what the bus does not have of our state is published again."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from .ports import Announced


class Published(Protocol):
    async def versions(self) -> Mapping[str, int]:
        """Return the version on the bus of every subject that is there."""


class Republish:
    """Costs one pass over the stream and the store, and writes nothing when they agree."""

    def __init__(self, published: Published, shelves: Sequence[Announced]) -> None:
        self._published = published
        self._shelves = shelves

    async def __call__(self) -> int:
        """Return how many states were announced again.

        The store is read first: what had left its outbox by then must be on the bus after.
        """
        sent = [
            (shelf, subject, slot.tenant_id, slot.id, slot.version)
            for shelf in self._shelves
            async for subject, slot in shelf.sent()
        ]
        versions = await self._published.versions()
        lost = [it for it in sent if versions.get(it[1], 0) < it[4]]
        for shelf, _, tenant_id, key, _ in lost:
            await shelf.announce(await shelf.at(tenant_id, key))
        return len(lost)
