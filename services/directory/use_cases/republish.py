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
        """Return how many states were announced again."""
        versions = await self._published.versions()
        count = 0
        for shelf in self._shelves:
            async for subject, slot in shelf.everything():
                if versions.get(subject, 0) < slot.version:
                    await shelf.announce(slot)
                    count += 1
        return count
