"""Our own stream, read back: what every replica shows comes from here and from nowhere else."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from google.protobuf.message import DecodeError

from services.kernel.bus import Bus
from services.kernel.ending import ended
from services.kernel.tail import Tailed, tail
from services.workspace import messages
from services.workspace.domain.board import Board
from services.workspace.domain.frames import Change
from services.workspace.use_cases.live import Live

log = logging.getLogger(__name__)

STREAM = "WORKSPACE"


class JetStream:
    """The stream's ends, as its leader knows them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def last(self) -> int:
        return (await self.ends())[1]

    async def ends(self) -> tuple[int, int]:
        """Return the first and the last position; the first is behind the last when it is empty."""
        state = (await self._bus.js.stream_info(STREAM)).state
        return state.first_seq, state.last_seq


@asynccontextmanager
async def following(
    bus: Bus,
    live: Live,
    *,
    load: Callable[[], Awaitable[Board]],
    quiet: float,
) -> AsyncIterator[None]:
    """Bring the view up to the stream and keep it there; yields once it has caught up.

    The stream's end is read before the store: whatever was announced before that is in the store,
    whatever comes later is tailed. The tail starts as many positions earlier as are kept, so that
    clients of a replica that is gone resume here.
    """
    first, last = await JetStream(bus).ends()
    floor = min(last, max(first - 1, last - live.replay, 0))
    live.begin(floor, await load())
    caught_up = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:  # a reader that fails takes the service with it
        reading = tasks.create_task(_read(bus, live, floor, caught_up))
        beating = tasks.create_task(_beat(live, quiet))
        try:
            await caught_up.wait()
            yield
        finally:
            await ended(reading, beating)


async def _read(bus: Bus, live: Live, after: int, caught_up: asyncio.Event) -> None:
    async with aclosing(tail(bus, STREAM, after=after)) as batches:
        async for batch in batches:
            if batch:
                changes = [change for one in batch if (change := _change(one))]
                live.receive(changes, batch[-1].sequence)
            if not batch or not batch[-1].pending:
                caught_up.set()


def _change(one: Tailed) -> Change | None:
    try:
        return messages.change(one.sequence, one.subject, one.data, one.headers)
    except (DecodeError, ValueError):
        log.exception("unreadable event", extra={"sequence": one.sequence})
        return None


async def _beat(live: Live, quiet: float) -> None:
    tick = min(1.0, quiet / 4)
    while True:
        await asyncio.sleep(tick)
        live.beat(quiet - tick)
