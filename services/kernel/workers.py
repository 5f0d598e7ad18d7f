"""At most so many messages are handled at once; what has not begun can be given back."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from .causes import cause_of
from .ending import ended

log = logging.getLogger(__name__)


class Workers:
    """Runs `handle`, which settles what it is given; calls `freed` when there is room again.

    While a message is held the server hears each third of `ack_wait` that it is being worked on,
    so that nobody else gets it. A process that dies stops saying so.
    """

    def __init__(
        self,
        nc: Client,
        handle: Callable[[Msg], Awaitable[object]],
        *,
        limit: int,
        ack_wait: float,
        freed: Callable[[], None],
    ) -> None:
        self._nc, self._handle, self._freed = nc, handle, freed
        self._limit, self._ack_wait = limit, ack_wait
        self._backlog: deque[Msg] = deque()
        self._running: dict[asyncio.Task[None], Msg] = {}
        self._closed = False
        self._touching: asyncio.Task[None] | None = None

    @property
    def free(self) -> int:
        """Return how many more messages could begin at once; never below 0."""
        return max(0, self._limit - len(self._running) - len(self._backlog))

    def start(self) -> None:
        self._touching = asyncio.create_task(self._touch())

    async def take(self, message: Msg) -> None:
        """Begin the message as soon as there is room; after `give_back` it goes back at once."""
        if self._closed:
            await self._return(message)
        else:
            self._backlog.append(message)
            self._begin()

    async def give_back(self) -> None:
        """Return what has not begun, and whatever still comes."""
        self._closed = True
        while self._backlog:
            await self._return(self._backlog.popleft())

    async def finish(self, deadline: float) -> None:
        """Let what runs end by itself for `deadline` seconds; then cancel and return it."""
        if self._running:
            await asyncio.wait(self._running, timeout=deadline)
        await ended(*self._running, self._touching)

    def _begin(self) -> None:
        while self._backlog and len(self._running) < self._limit:
            message = self._backlog.popleft()
            task = asyncio.create_task(self._work(message))
            self._running[task] = message
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not self._closed:
            self._begin()
            self._freed()

    async def _work(self, message: Msg) -> None:
        try:
            await self._handle(message)
        except asyncio.CancelledError:
            await self._return(message)
            raise
        except Exception as trouble:
            log.exception(
                "a message could not be settled; it comes again",
                extra={"cause": cause_of(trouble)},
            )

    async def _return(self, message: Msg) -> None:
        with suppress(Error, OSError):  # without a connection `ack_wait` returns it
            await self._nc.publish(message.reply, Msg.Ack.Nak)

    async def _touch(self) -> None:
        while True:
            await asyncio.sleep(self._ack_wait / 3)
            with suppress(Error, OSError):
                for message in (*self._running.values(), *self._backlog):
                    if not message.is_acked:
                        await message.in_progress()
