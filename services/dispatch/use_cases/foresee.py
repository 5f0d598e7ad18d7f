"""What a leader does about opening hours: it has the router know them some days ahead.

The router knows moments only, so that it is as pure as its state; zones and dates end here. What
is foreseen goes in as any other fact.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfoNotFoundError

from services.dispatch.domain.hours import Openings, expanded
from services.dispatch.domain.inputs import OpeningsForeseen, QueueConfigured
from services.dispatch.domain.policy import BusinessHours
from services.dispatch.domain.state import State
from services.kernel.ending import beside

from .ports import Intake, Millis, Shard, Unknown

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
DAY_MS = 24 * 3_600_000
DAYS_AHEAD = 15


class Foresee:
    """Looks often, and has something to say when a queue changes and once a day."""

    def __init__(self, intake: Intake, clock: Millis) -> None:
        self._intake = intake
        self._clock = clock

    @asynccontextmanager
    async def __call__(self, _: Shard, state: State) -> AsyncIterator[None]:
        async with beside(self._look(state)):
            yield

    async def _look(self, state: State) -> None:
        while True:
            for fact in list(foreseen(state, self._clock())):
                day = fact.until // DAY_MS
                name = f"{fact.tenant_id}/{fact.queue_id}/{fact.version}/{day}"
                try:
                    await self._intake.append(fact, dedup_id=f"openings-{name}")
                except Unknown:
                    log.warning("openings are not known to be in", extra={"error": "Unknown"})
            await asyncio.sleep(LOOK_EVERY_S)


def foreseen(state: State, now: int) -> Iterator[OpeningsForeseen]:
    """Return what the router does not know yet of the days to come, from today on."""
    since = now // DAY_MS * DAY_MS
    until = since + DAYS_AHEAD * DAY_MS
    for tenant in list(state.tenants.values()):
        for queue in list(tenant.queues.values()):
            if (rules := queue.policy.hours) is None or queue.removed:
                continue
            known = tenant.hours.get(queue.queue_id)
            fresh = known is not None and known.openings.version == queue.version
            if known is None or not fresh or known.openings.until < until:
                openings = _openings(queue, rules, since, until)
                yield OpeningsForeseen(
                    queue.tenant_id, queue.queue_id, queue.version, openings, until
                )


def _openings(queue: QueueConfigured, rules: BusinessHours, since: int, until: int) -> Openings:
    try:
        return expanded(rules, since, until)
    except (ZoneInfoNotFoundError, ValueError, OverflowError, OSError):
        # The directory refuses these; a queue that nobody can read the hours of is not shut.
        log.warning("hours cannot be read", extra={"queue_id": queue.queue_id})
        return ((since, until),)
