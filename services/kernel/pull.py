"""One durable pull consumer, read for ever: bounded, healed by itself, returned on leaving.

Why not the client's own `fetch`: see docs/adr/0002-consumers-are-driven-by-our-own-pull-loop.md.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.js.api import ConsumerConfig
from nats.js.errors import BadRequestError, NotFoundError

from .bus import Bus

log = logging.getLogger(__name__)

HEARTBEAT = 2.0  # the server says at least this often that a request still stands
EXPIRES = 30.0  # a request that nothing came for ends by itself
SILENCE = 5.0  # after so long without a heartbeat the request is taken for lost
DEADLINE = 10.0  # what running handlers get to finish when the process leaves
NANO = 1_000_000_000


class Pull:
    """Feeds `handle` with at most `max_workers` messages at a time; `handle` settles them."""

    def __init__(
        self,
        bus: Bus,
        stream: str,
        config: ConsumerConfig,
        handle: Callable[[Msg], Awaitable[object]],
        *,
        max_workers: int,
    ) -> None:
        self._bus, self._stream, self._config = bus, stream, config
        self._handle, self._max_workers = handle, max_workers
        self._ack_wait = config.ack_wait or 30.0
        self._inbox = bus.nc.new_inbox()
        self._subscription: Subscription | None = None
        self._backlog: deque[Msg] = deque()
        self._running: dict[asyncio.Task[None], Msg] = {}
        self._wanted = 0  # messages the server still owes us
        self._heard = 0.0
        self._lost = False
        self._leaving = False
        self._trouble = 0
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._exit = ExitStack()

    async def start(self) -> None:
        """Create the consumer if need be and begin.

        Raises when the stream is unknown or the configuration refused; a bus that is away at this
        moment is waited for in the background.
        """
        try:
            await self._ensure()
        except (NotFoundError, BadRequestError):
            raise
        except (Error, OSError, TimeoutError):
            self._lost = True
        self._subscription = await self._bus.nc.subscribe(self._inbox, cb=self._take)
        self._exit.enter_context(self._bus.on_resume(self._lose))
        self._loops = [asyncio.create_task(self._keep_asking()), asyncio.create_task(self._touch())]

    async def stop(self) -> None:
        """Return what has not begun at once; let what runs finish, 10 seconds at most."""
        self._leaving = True
        self._exit.close()
        for loop in self._loops[:1]:
            loop.cancel()
        await self._return_unstarted()
        if self._running:
            await asyncio.wait(self._running, timeout=DEADLINE)
        for late in self._running:
            late.cancel()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._running, *self._loops, return_exceptions=True)
        with suppress(Error, OSError, TimeoutError):
            await self._bus.nc.flush(timeout=2)

    async def unsubscribe(self) -> None:
        """Satisfy FastStream, for which this object is the subscriber's subscription."""

    async def _return_unstarted(self) -> None:
        with suppress(Error, OSError):
            while self._backlog:
                await self._bus.nc.publish(self._backlog.popleft().reply, Msg.Ack.Nak)
        with suppress(Error, OSError, TimeoutError):
            # Ends the request at the server, then passes on what was already under way.
            if self._subscription and self._bus.nc.is_connected:
                async with asyncio.timeout(2):
                    await self._subscription.drain()  # type: ignore[no-untyped-call] # nats-py

    async def _take(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        if not message.reply:
            self._note(message.headers or {})
            return
        self._trouble = 0
        self._wanted = max(0, self._wanted - 1)
        if self._leaving:
            await self._bus.nc.publish(message.reply, Msg.Ack.Nak)
            return
        self._backlog.append(message)
        self._begin()

    def _note(self, headers: dict[str, str]) -> None:
        """Heed a status: 100 heartbeat, 408 and 409 the end of a request, others a loss."""
        status, text = headers.get("Status", ""), headers.get("Description", "")
        if status == "100":
            self._trouble = 0
            return
        unserved = headers.get("Nats-Pending-Messages")
        if status in {"408", "409"} and unserved is not None:
            self._wanted = max(0, self._wanted - int(unserved))
        else:
            self._wanted = 0
        if status == "408" or (status == "409" and text == "Batch Completed"):
            self._wake.set()
        else:
            self._lose()

    def _lose(self) -> None:
        self._lost = True
        self._wake.set()

    def _begin(self) -> None:
        while self._backlog and len(self._running) < self._max_workers:
            message = self._backlog.popleft()
            task = asyncio.create_task(self._work(message))
            self._running[task] = message
            task.add_done_callback(self._done)
        self._wake.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not self._leaving:
            self._begin()

    async def _work(self, message: Msg) -> None:
        try:
            await self._handle(message)
        except asyncio.CancelledError:
            with suppress(Error, OSError):
                await self._bus.nc.publish(message.reply, Msg.Ack.Nak)
            raise
        except Exception as trouble:
            log.exception(
                "a message could not be settled; it comes again",
                extra={"consumer": self._config.durable_name, "cause": type(trouble).__name__},
            )

    async def _keep_asking(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._ask()
            except (Error, OSError, TimeoutError) as trouble:
                await self._pause(trouble)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._wake.wait()

    async def _ask(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._wanted and now - self._heard > SILENCE:
            self._lost = True
        if self._lost:
            if self._trouble:
                await asyncio.sleep(min(0.025 * 2**self._trouble, 1.0))
            self._trouble += 1
            await self._ensure()
            self._lost, self._wanted = False, 0
        free = self._max_workers - len(self._running) - len(self._backlog) - self._wanted
        if free > 0 and (self._wanted == 0 or free * 2 >= self._max_workers):
            await self._request(free)

    async def _request(self, batch: int) -> None:
        if self._wanted == 0:
            self._heard = asyncio.get_running_loop().time()
        self._wanted += batch
        body = {
            "batch": batch,
            "expires": int(EXPIRES * NANO),
            "idle_heartbeat": int(HEARTBEAT * NANO),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._config.durable_name}"
        await self._bus.nc.publish(subject, json.dumps(body).encode(), reply=self._inbox)

    async def _ensure(self) -> None:
        """Create the consumer, or find it as it should be."""
        await self._bus.js.add_consumer(self._stream, self._config, timeout=2)

    async def _pause(self, trouble: Exception) -> None:
        self._lost = True
        log.warning(
            "a consumer is not to be had; trying again",
            extra={"consumer": self._config.durable_name, "cause": type(trouble).__name__},
        )
        await asyncio.sleep(min(0.05 * 2 ** min(self._trouble, 6), 1.0))

    async def _touch(self) -> None:
        """Tell the server that what we hold is being worked on, so that nobody else gets it."""
        while True:
            await asyncio.sleep(self._ack_wait / 3)
            with suppress(Error, OSError):
                for message in (*self._running.values(), *self._backlog):
                    if not message.is_acked:
                        await message.in_progress()
