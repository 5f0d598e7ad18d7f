"""One question at a time to a process of its own, and each tenant in turn.

A tenant has one question under way, running or waiting, so nobody's flood stands in front of
anybody else. Who is alone may take all the time there is; as soon as somebody waits, whoever runs
has a fair share of it and makes way. So whoever waits knows how long at most.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.dispatch.domain.errors import Busy

FAIR_S = 7.0
"""Seconds that a question may run while others wait."""
MOST_WAITING = 2
"""Tenants in line: with more, the last could not be answered before their own call ends."""


class FairShare:
    """Says whose turn it is. `reason` and `sentence` are for those who must come again."""

    def __init__(self, reason: str, sentence: str) -> None:
        self._reason = reason
        self._sentence = sentence
        self._tenants: set[str] = set()
        self._turn = asyncio.Lock()
        self._running: asyncio.Timeout | None = None
        self._fair_until = 0.0

    @asynccontextmanager
    async def turn(self, tenant_id: str, longest_s: float) -> AsyncIterator[None]:
        """Wait for the tenant's turn, and hold it.

        Raises Busy, also when others took of its time; TimeoutError when all of it was too little.
        """
        if tenant_id in self._tenants or len(self._tenants) > MOST_WAITING:
            raise self._busy()
        self._tenants.add(tenant_id)
        ends, waits = asyncio.get_running_loop().time() + longest_s, self._turn.locked()
        try:
            async with asyncio.timeout(longest_s) as limit:
                self._have_way_made()
                async with self._turn:
                    self._running = limit
                    self._fair_until = asyncio.get_running_loop().time() + FAIR_S
                    if len(self._tenants) > 1:
                        self._have_way_made()
                    try:
                        yield
                    finally:
                        self._running = None
        except TimeoutError as over:
            if waits or (limit.when() or ends) < ends:
                raise self._busy() from over
            raise
        finally:
            self._tenants.discard(tenant_id)

    def _busy(self) -> Busy:
        return Busy(self._reason, self._sentence, retryAfter=str(round(FAIR_S)))

    def _have_way_made(self) -> None:
        """Give whoever runs no more than their share, now that somebody waits."""
        running = self._running
        if running is None or running.expired():
            return
        ends = running.when()
        if ends is not None and ends > self._fair_until:
            running.reschedule(self._fair_until)
