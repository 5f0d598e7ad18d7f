"""A projection: a stream's last word on each subject, then every further one, kept in memory."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from google.protobuf.message import Message
from nats.errors import Error
from nats.js.errors import APIError

from .bus import Bus
from .causes import cause_of
from .clock import utc_now
from .ending import ended
from .tail import Tailed, tail, until_now
from .unreadable import understood
from .wire import event_in, filter_for

log = logging.getLogger(__name__)

Takers = Mapping[type[Message], Callable[[Any], None]]
"""Who takes the events of each kind."""

RECENT = timedelta(seconds=10)
"""What was said longer ago is known: to ask again and again costs a look, no more."""
LOOKED_UP_WITHIN_S = 1.0


class Renew(Protocol):
    """Take what was said of a tenant in the last moments, before a refusal that rests on it.

    Events take a moment, and whoever uses what was put just before should not be refused for that.
    """

    async def __call__(self, tenant_id: str) -> None: ...


@asynccontextmanager
async def projecting(
    bus: Bus, stream: str, takers: Takers, *, new: bool = False
) -> AsyncIterator[Renew]:
    """Give every event to the taker of its kind, for as long as the block runs.

    Entered once all that the stream keeps is taken; with `new` nothing of that is, only what comes.
    An event that cannot be read or taken is passed over, since it would come again after every
    restart. NotFoundError, from here or inside the block: there is no such stream.
    """
    caught_up = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:  # a reader that fails takes the service with it
        reading = tasks.create_task(_follow(bus, stream, takers, caught_up, new=new))
        try:
            await caught_up.wait()
            yield partial(_renew, bus, stream, takers)
        finally:
            await ended(reading)


async def _follow(
    bus: Bus, stream: str, takers: Takers, caught_up: asyncio.Event, *, new: bool
) -> None:
    subjects = [filter_for(kind) for kind in takers]
    batches = tail(bus, stream, subjects=subjects, last_per_subject=not new, new=new)
    async with aclosing(batches):
        async for batch in batches:
            _take_all(stream, takers, batch)
            if new or not batch or batch[-1].pending == 0:
                caught_up.set()


async def said_lately(
    bus: Bus, stream: str, kinds: Iterable[type[Message]], tenant_id: str
) -> list[Tailed]:
    """Return what was said of a tenant in the last moments, as far as the bus tells in time."""
    where = {"tenant_id": tenant_id}
    subjects = [filter_for(kind, where) for kind in kinds]
    recent = until_now(tail(bus, stream, subjects=subjects, since=utc_now() - RECENT))
    said: list[Tailed] = []
    try:
        async with asyncio.timeout(LOOKED_UP_WITHIN_S), aclosing(recent) as batches:
            async for batch in batches:
                said += batch
    except (Error, APIError, OSError, TimeoutError) as silence:
        log.warning(
            "what was said last is not known", extra={"stream": stream, "cause": cause_of(silence)}
        )
    return said


async def _renew(bus: Bus, stream: str, takers: Takers, tenant_id: str) -> None:
    _take_all(stream, takers, await said_lately(bus, stream, takers, tenant_id))


def _take_all(stream: str, takers: Takers, batch: Sequence[Tailed]) -> None:
    kinds = {kind.DESCRIPTOR.full_name: kind for kind in takers}
    for one in batch:
        understood(stream, partial(_take, kinds, takers, one), sequence=one.sequence)


def _take(kinds: Mapping[str, type[Message]], takers: Takers, one: Tailed) -> None:
    kind = kinds[one.headers["ce-type"]]
    takers[kind](event_in(kind, one.subject, one.data, one.headers))
