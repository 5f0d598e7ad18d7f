"""Our own stream, read back: what every replica shows comes from here and from nowhere else."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from functools import partial

from centralita.directory.v1.events_pb2 import UserChanged
from centralita.workspace.v1.events_pb2 import CardChanged
from google.protobuf.message import Message
from nats.errors import Error

from services.kernel.bus import Bus, BusUnavailable
from services.kernel.causes import cause_of
from services.kernel.ending import ended
from services.kernel.tail import Tailed, heard, tail, until_now
from services.kernel.telemetry import continued, tracer
from services.kernel.unreadable import understood
from services.kernel.wire import filter_for
from services.workspace import messages
from services.workspace.domain.board import Board
from services.workspace.domain.frames import CardChange, Change, ViewerChange
from services.workspace.domain.last_words import LastWords
from services.workspace.domain.viewer import Viewer
from services.workspace.use_cases.live import Live

from .last_words import STREAM, last_readable

log = logging.getLogger(__name__)

_PUSH = "workspace push"

EIGHTH = 8
"""An open card is told again after this part of the stream's age: the workspace may be away for
the other seven, which is as long as the streams it hears keep what it misses."""
LONGEST_PAUSE_S = 60.0


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

    async def forgets_after(self) -> timedelta:
        """Return the age at which a word is forgotten; 0 for never."""
        config = (await self._bus.js.stream_info(STREAM)).config
        return timedelta(seconds=config.max_age or 0)


Keep = Callable[[timedelta], Awaitable[None]]
"""Tells again what was told for the last time so long ago."""


@asynccontextmanager
async def following(
    bus: Bus, live: Live, words: LastWords, keep: Keep, *, quiet: float
) -> AsyncIterator[None]:
    """Bring the view up to the stream and keep it there; yields once it has caught up.

    The stream's end is read before the last word on each card: whatever was told before that is
    among these, whatever comes later is tailed. The tail starts as many positions earlier as are
    kept, so that clients of a replica that is gone resume here.
    """
    first, last = await JetStream(bus).ends()
    floor = min(last, max(first - 1, last - live.replay, 0))
    live.begin(floor, await _board(bus, words))
    caught_up = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:  # one that fails takes the service with it
        reading = tasks.create_task(_read(bus, live, words, floor, caught_up))
        beating = tasks.create_task(_beat(live, quiet))
        keeping: asyncio.Task[None] | None = None
        try:
            await caught_up.wait()
            keeping = tasks.create_task(_keep(bus, keep))
            yield
        finally:
            await ended(reading, beating, keeping)


async def _keep(bus: Bus, keep: Keep) -> None:
    """Have everything told again before the stream forgets it."""
    pause = 0.0
    while True:
        await asyncio.sleep(pause)
        pause = LONGEST_PAUSE_S
        try:
            if oldest := await JetStream(bus).forgets_after() / EIGHTH:
                await keep(oldest)
                pause = min(pause, oldest.total_seconds() / EIGHTH)
        except (BusUnavailable, Error, OSError, TimeoutError) as trouble:
            log.warning("open cards wait", extra={"cause": cause_of(trouble)})


async def _board(bus: Bus, words: LastWords) -> Board:
    """Return all that is open, and everyone who may look: that, the directory's stream keeps.

    One by one: of all the cards that the stream still knows, few are open.
    """
    board = Board()
    async for one in _latest(bus, STREAM, CardChanged):
        change = _heard(one, words)
        if change is None:
            read = partial(messages.change, one.subject)
            change = await last_readable(bus, one.subject, read)
        if change is not None:
            board.apply(change)
    async for one in _latest(bus, "DIRECTORY", UserChanged):
        if viewer := _viewer(one):
            board.apply(ViewerChange(0, viewer))
    return board


async def _latest(bus: Bus, stream: str, kind: type[Message]) -> AsyncIterator[Tailed]:
    """Yield the last message of each key."""
    subjects = [filter_for(kind)]
    states = tail(bus, stream, subjects=subjects, last_per_subject=True)
    async with aclosing(until_now(states)) as batches:
        async for batch in batches:
            for one in batch:
                yield one


async def _read(
    bus: Bus, live: Live, words: LastWords, after: int, caught_up: asyncio.Event
) -> None:
    async with aclosing(tail(bus, STREAM, after=after)) as batches:
        async for batch in batches:
            for one in batch:
                _push(one, live, words)
            if not batch or not batch[-1].pending:
                caught_up.set()


def _push(one: Tailed, live: Live, words: LastWords) -> None:
    """Give a change to whoever watches, as the last step of the trace that led to it."""
    change = _heard(one, words)
    if change is None:
        live.receive((), one.sequence)
        return
    with tracer().start_as_current_span(_PUSH, continued(one.headers)):
        live.receive((change,), one.sequence)


def _heard(one: Tailed, words: LastWords) -> Change | None:
    read = partial(messages.change, one.subject, one.sequence, one.data, one.headers)
    change = understood(STREAM, read, sequence=one.sequence)
    if isinstance(change, CardChange):
        words.hear(change.card, change.position, one.at)
    return change


def _viewer(one: Tailed) -> Viewer | None:
    event = heard(UserChanged, "DIRECTORY", one)
    return event and understood("DIRECTORY", partial(messages.user, event), sequence=one.sequence)


async def _beat(live: Live, quiet: float) -> None:
    tick = min(1.0, quiet / 4)
    while True:
        await asyncio.sleep(tick)
        live.beat(quiet - tick)
