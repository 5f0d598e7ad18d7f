"""What presence does when the bus speaks, and when nobody does.

No durable consumer: every replica needs every lease and every presence, so each tails both.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from centralita.presence.v1.events_pb2 import PresenceChanged
from google.protobuf.message import DecodeError

from services.kernel.bus import Bus
from services.kernel.clock import Clock
from services.kernel.ending import ended
from services.kernel.tail import tail
from services.kernel.wire import parsed

from .domain.presence import Presence
from .messages import LEASES, from_event, is_end, is_goodbye, lease_of
from .use_cases import Watchman

log = logging.getLogger(__name__)

TICK = 0.2
"""Seconds between two looks at who is due, and between two sendings of renewals: together well
within the second in which a lost lease is to be noticed."""


class Known(Protocol):
    """What this replica knows of presences."""

    def remember(self, it: Presence) -> bool:
        """Keep what is not older than what is known; tell whether it was kept."""
        ...

    async def connected(self) -> Sequence[Presence]: ...


@asynccontextmanager
async def keeping_watch(
    bus: Bus,
    watchman: Watchman,
    presences: Known,
    send_renewals: Callable[[], Awaitable[None]],
    clock: Clock,
) -> AsyncIterator[None]:
    """Follow leases and presences, and disconnect whoever is gone.

    Whoever the store says is connected gets a lease of grace first: while no replica ran, nobody
    could renew.
    """
    for one in await presences.connected():
        presences.remember(one)
        watchman.heard_of(one)
    with bus.on_resume(watchman.sees_again):
        async with asyncio.TaskGroup() as tasks:  # a reader that fails takes the service with it
            watching = [
                tasks.create_task(_follow_leases(bus, watchman, clock)),
                tasks.create_task(_follow_presences(bus, watchman, presences)),
                tasks.create_task(_sweep(bus, watchman, send_renewals)),
            ]
            try:
                yield
            finally:
                await ended(*watching)
                await send_renewals()


async def _follow_leases(bus: Bus, watchman: Watchman, clock: Clock) -> None:
    async with aclosing(tail(bus, LEASES, last_per_subject=True)) as batches:
        async for batch in batches:
            now = clock()
            for one in batch:
                user, device_id = lease_of(one.subject)
                if not one.headers or not is_end(one.headers):
                    watchman.heard(user, device_id, (now - one.at).total_seconds())
                elif is_goodbye(one.headers):
                    watchman.heard_goodbye(user, device_id)


async def _follow_presences(bus: Bus, watchman: Watchman, presences: Known) -> None:
    async with aclosing(tail(bus, "PRESENCE", last_per_subject=True)) as batches:
        async for batch in batches:
            for one in batch:
                try:
                    it = from_event(parsed(PresenceChanged, one.data, one.headers))
                except (DecodeError, ValueError):
                    log.exception("unreadable event", extra={"sequence": one.sequence})
                    continue
                if presences.remember(it):
                    watchman.heard_of(it)


async def _sweep(
    bus: Bus, watchman: Watchman, send_renewals: Callable[[], Awaitable[None]]
) -> None:
    while True:
        await asyncio.sleep(TICK)
        await send_renewals()
        if not bus.nc.is_connected:
            watchman.blind()
            continue
        try:
            await watchman.sweep()
        except Exception:  # the store is out, say: whoever is due comes up again
            log.exception("not everyone who is due was settled")
