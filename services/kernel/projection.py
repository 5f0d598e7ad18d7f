"""A projection: a stream's last word on each subject, then every further one, kept in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

from google.protobuf.message import Message

from .bus import Bus
from .ending import ended
from .tail import Tailed, tail
from .unreadable import understood
from .wire import event_in, filter_for

Takers = Mapping[type[Message], Callable[[Any], None]]
"""Who takes the events of each kind."""


@asynccontextmanager
async def projecting(
    bus: Bus, stream: str, takers: Takers, *, new: bool = False
) -> AsyncIterator[None]:
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
            yield
        finally:
            await ended(reading)


async def _follow(
    bus: Bus, stream: str, takers: Takers, caught_up: asyncio.Event, *, new: bool
) -> None:
    kinds = {kind.DESCRIPTOR.full_name: kind for kind in takers}
    subjects = [filter_for(kind) for kind in takers]
    batches = tail(bus, stream, subjects=subjects, last_per_subject=not new, new=new)
    async with aclosing(batches):
        async for batch in batches:
            for one in batch:
                understood(stream, partial(_take, kinds, takers, one), sequence=one.sequence)
            if new or not batch or batch[-1].pending == 0:
                caught_up.set()


def _take(kinds: Mapping[str, type[Message]], takers: Takers, one: Tailed) -> None:
    kind = kinds[one.headers["ce-type"]]
    takers[kind](event_in(kind, one.subject, one.data, one.headers))
