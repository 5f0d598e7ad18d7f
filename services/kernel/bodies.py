"""Bounds what a server holds of its clients' bodies, and lets whoever takes most make room.

A body that comes slowly holds next to nothing, so the bytes themselves are counted, from the first
one until the handler is done with them. Who is slow is not a reason to refuse who is not: when a
place or memory is needed, the client that takes most of it loses what it has not finished.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

MOST_BYTES = 64 * 1024 * 1024
"""Held at once, of everybody."""
MOST_ARRIVING = 200
MOST_ARRIVING_OF_ONE = 50
"""Bodies on their way at once: of everybody, and of a client."""


class Ousted(Exception):
    """The place of this body was needed before it was whole."""


@dataclass(eq=False, slots=True)
class Body:
    """What came of a body so far."""

    client: str
    size: int = 0
    deadline: asyncio.Timeout | None = None
    ousted: bool = False

    def oust(self) -> None:
        self.ousted = True
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(asyncio.get_running_loop().time())


class Bodies:
    """Those of one server."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held: Counter[str] = Counter()
        self._arriving: dict[str, dict[Body, None]] = {}

    @property
    def size(self) -> int:
        """Bytes that are held now."""
        return self._held.total()

    @contextmanager
    def held(self, client: str) -> Iterator[Body]:
        """Count what is taken of one body, until the block ends."""
        body = Body(client)
        try:
            yield body
        finally:
            self._held[client] -= body.size
            if not self._held[client]:
                del self._held[client]

    @asynccontextmanager
    async def arriving(self, body: Body, slowest: float) -> AsyncIterator[None]:
        """Give a body so many seconds to come: TimeoutError; or Ousted, when others need room."""
        try:
            async with asyncio.timeout(slowest) as body.deadline:
                of_client = self._arriving.setdefault(body.client, {})
                of_client[body] = None
                self._make_place(body.client)
                try:
                    yield
                finally:
                    self._left(body)
        except TimeoutError:
            if body.ousted:
                raise Ousted from None
            raise

    def take(self, body: Body, count: int) -> None:
        """Hold so many bytes more of a body that is on its way."""
        if not body.ousted:
            body.size += count
            self._held[body.client] += count
            self._make_room()
        if body.ousted:
            raise Ousted

    def _make_place(self, client: str) -> None:
        """End the oldest: of the client, then of whoever has most; whoever is quick is young."""
        if len(self._arriving[client]) > MOST_ARRIVING_OF_ONE:
            self._oust(next(iter(self._arriving[client])))
        if sum(map(len, self._arriving.values())) > MOST_ARRIVING:
            of_most = max(self._arriving.values(), key=len)
            self._oust(next(iter(of_most)))

    def _make_room(self) -> None:
        """End the largest of whoever holds most. What is whole already stays."""
        while self.size > self._most_bytes and self._arriving:
            greediest = max(self._arriving, key=self._held.__getitem__)
            self._oust(max(self._arriving[greediest], key=lambda it: it.size))

    def _oust(self, body: Body) -> None:
        body.oust()
        self._left(body)
        self._held[body.client] -= body.size
        body.size = 0

    def _left(self, body: Body) -> None:
        of_client = self._arriving.get(body.client, {})
        of_client.pop(body, None)
        if not of_client:
            self._arriving.pop(body.client, None)
