"""The last changes of the stream, to replay from."""

from bisect import bisect_right
from collections.abc import Iterator

from .frames import Change


class History:
    """Changes in the order of their positions; the oldest beyond `limit` are forgotten.

    It covers every position from `floor` on: a client that holds one of these, or a later one,
    gets exactly what it missed.
    """

    def __init__(self, limit: int, floor: int = 0) -> None:
        self._limit = limit
        self._changes: list[Change] = []
        self.floor = floor

    def append(self, change: Change) -> None:
        self._changes.append(change)
        if len(self._changes) >= 2 * self._limit:
            self._forget(len(self._changes) - self._limit)

    def since(self, position: int, tenant_id: str) -> Iterator[Change]:
        """The tenant's changes after a position that is not below `floor`, in order."""
        start = bisect_right(self._changes, position, key=lambda change: change.position)
        for at in range(start, len(self._changes)):
            if self._changes[at].tenant_id == tenant_id:
                yield self._changes[at]

    def _forget(self, count: int) -> None:
        self.floor = self._changes[count - 1].position
        del self._changes[:count]
