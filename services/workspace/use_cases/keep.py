"""Keep what is open: nothing is forgotten because nothing happens to it."""

from datetime import timedelta
from typing import Protocol

from services.kernel.clock import Clock
from services.workspace.domain.errors import Stale
from services.workspace.domain.last_words import LastWords
from services.workspace.domain.sources import Sources


class Store(Protocol):
    async def read(self, tenant_id: str, conversation_id: str) -> Sources | None: ...

    async def save(self, before: Sources, after: Sources) -> None:
        """Tell `after` if nothing was told since `before`, or raise Stale."""
        ...


class KeepOpen:
    """Tell an open card again when its last word is old.

    Every replica tries, and the first one does it: the others find another position there, or
    lose the race.
    """

    def __init__(self, words: LastWords, store: Store, clock: Clock) -> None:
        self._words, self._store, self._clock = words, store, clock

    async def __call__(self, oldest: timedelta) -> None:
        for key, position in self._words.until(self._clock() - oldest):
            known = await self._store.read(*key)
            if known is None or known.position != position:
                continue
            try:
                await self._store.save(known, known.again())
            except Stale:
                continue  # told by somebody else, which is as good
