"""How long those who are next in their queues have waited, as a metric of each shard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.dispatch.domain.state import State
from services.dispatch.use_cases.ports import Millis, Shard
from services.kernel.ending import beside
from services.kernel.telemetry import meter

EVERY_S = 15.0


class TellHeadWaits:
    """A duty of the leader: look at the head of every queue, now and then.

    A task behind the head waits in its turn; a head that waits long finds nobody.
    """

    def __init__(self, clock: Millis) -> None:
        self._clock = clock
        self._gauge = meter().create_gauge("centralita.dispatch.head_wait", "s")

    @asynccontextmanager
    async def __call__(self, shard: Shard, state: State) -> AsyncIterator[None]:
        async with beside(self._tell(shard, state)):
            try:
                yield
            finally:
                self._gauge.set(0.0, {"shard": shard})  # whoever leads it next tells

    async def _tell(self, shard: Shard, state: State) -> None:
        while True:
            self._gauge.set(longest_head_wait_s(state, self._clock()), {"shard": shard})
            await asyncio.sleep(EVERY_S)


def longest_head_wait_s(state: State, now: int) -> float:
    """Return how long the heads of all queues have waited at most; 0: nobody waits."""
    firsts = (since for tenant in state.tenants.values() for since in tenant.lines.heads())
    return max(0, now - min(firsts, default=now)) / 1000
