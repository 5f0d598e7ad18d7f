"""Wakes the streams of a visitor on every replica. Carries no text: what is stored is read."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from nats.aio.msg import Msg
from nats.errors import Error

from services.ingestion.domain.errors import RateLimited
from services.ingestion.domain.visitor import Visitor
from services.kernel.bus import Bus

LOOK_ANYWAY = 15.0
"""Seconds until a stream reads again by itself: the floor for a ring that was lost."""

MOST_PER_VISITOR = 10
MOST_PER_CLIENT = 200
"""Streams of one client on a replica: visitors cost a stranger nothing."""


class Bell:
    def __init__(self, look_anyway: float) -> None:
        self._rung = asyncio.Event()
        self._look_anyway = look_anyway

    def ring(self) -> None:
        self._rung.set()

    async def wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look_anyway):
                await self._rung.wait()
        self._rung.clear()


class Bells:
    """One subscription of core NATS per replica, `webchat.<tenant>.<account>.<visitor>`."""

    def __init__(self, bus: Bus, look_anyway: float) -> None:
        self._bus = bus
        self._look_anyway = look_anyway
        self._hung: defaultdict[str, set[Bell]] = defaultdict(set)
        self._of_client: Counter[str] = Counter()

    async def ring(self, visitor: Visitor) -> None:
        """May be lost: the reply is stored, and streams look again by themselves."""
        with suppress(Error, OSError):
            await self._bus.nc.publish(_subject(visitor))

    @contextmanager
    def hung(self, visitor: Visitor, client: str) -> Iterator[Bell]:
        """Raise RateLimited when the visitor or the client has too many streams on this replica."""
        bell, subject = Bell(self._look_anyway), _subject(visitor)
        if len(self._hung.get(subject, ())) >= MOST_PER_VISITOR:
            raise RateLimited(retry_after=5)
        if self._of_client[client] >= MOST_PER_CLIENT:
            raise RateLimited(retry_after=5)
        self._hung[subject].add(bell)
        self._of_client[client] += 1
        try:
            yield bell
        finally:
            self._hung[subject].discard(bell)
            if not self._hung[subject]:
                del self._hung[subject]
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]

    async def heard(self, message: Msg) -> None:
        for bell in self._hung.get(message.subject, ()):
            bell.ring()

    def ring_all(self) -> None:
        for bells in self._hung.values():
            for bell in bells:
                bell.ring()


@asynccontextmanager
async def bells(bus: Bus, look_anyway: float = LOOK_ANYWAY) -> AsyncIterator[Bells]:
    it = Bells(bus, look_anyway)
    subscription = await bus.nc.subscribe("webchat.*.*.*", cb=it.heard)
    try:
        with bus.on_resume(it.ring_all):
            yield it
    finally:
        with suppress(Error, OSError):
            await subscription.unsubscribe()


def _subject(visitor: Visitor) -> str:
    return f"webchat.{visitor.tenant_id}.{visitor.channel_account_id}.{visitor.visitor_id}"
