"""The last changes of the stream, to replay from."""

from bisect import bisect_right
from collections.abc import Iterator

from .frames import CardChange, Change


class History:
    """Changes in the order of their positions; the oldest beyond `limit` are forgotten.

    It covers every position from `floor` on: a client that holds one of these, or a later one,
    gets exactly what it missed.
    """

    def __init__(self, limit: int, floor: int = 0) -> None:
        self._limit = limit
        self._changes: list[Change] = []
        self._revisions: dict[tuple[str, str], int] = {}
        self.floor = floor

    def append(self, change: Change) -> bool:
        """Keep a change. False for one that the stream holds twice: it is not told again.

        An outbox entry published again after the bus's de-duplication window has a new position
        and an old revision; telling it would take the card back in time.
        """
        if isinstance(change, CardChange):
            card = change.card
            key = (card.tenant_id, card.conversation_id)
            if card.revision <= self._revisions.get(key, 0):
                return False
            self._revisions[key] = card.revision
        self._changes.append(change)
        if len(self._changes) >= 2 * self._limit:
            self._forget(len(self._changes) - self._limit)
        return True

    def since(self, position: int, tenant_id: str) -> Iterator[Change]:
        """The tenant's changes after a position that is not below `floor`, in order."""
        start = bisect_right(self._changes, position, key=lambda change: change.position)
        for at in range(start, len(self._changes)):
            if self._changes[at].tenant_id == tenant_id:
                yield self._changes[at]

    def _forget(self, count: int) -> None:
        forgotten, self._changes = self._changes[:count], self._changes[count:]
        self.floor = forgotten[-1].position
        for change in forgotten:
            if isinstance(change, CardChange):
                card = change.card
                key = (card.tenant_id, card.conversation_id)
                if self._revisions.get(key) == card.revision:
                    del self._revisions[key]
