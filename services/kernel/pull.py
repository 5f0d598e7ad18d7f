"""One durable pull consumer, asked for ever: bounded, and healed by itself after any loss.

Why not the client's own `fetch`: see docs/adr/0002-consumers-are-driven-by-our-own-pull-loop.md.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.js.api import ConsumerConfig
from nats.js.errors import BadRequestError, NotFoundError

from .bus import Bus
from .causes import cause_of
from .ending import ended
from .workers import Workers

log = logging.getLogger(__name__)

HEARTBEAT = 2.0  # the server says at least this often that a request still stands
EXPIRES = 30.0  # a request that nothing came for ends by itself
SILENCE = 5.0  # after so long without a heartbeat the request is taken for lost
DEADLINE = 10.0  # what running handlers get to finish when the process leaves
NANO = 1_000_000_000


class Pull:
    """Gives `handle` at most `max_workers` messages at a time; `handle` settles them."""

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
        self._max_workers = max_workers
        self._wake = asyncio.Event()
        self._workers = Workers(
            bus.nc,
            handle,
            limit=max_workers,
            ack_wait=config.ack_wait or 30.0,
            freed=self._wake.set,
        )
        self._inbox = bus.nc.new_inbox()
        self._subscription: Subscription | None = None
        self._wanted = 0  # messages the server still owes us
        self._heard = 0.0
        self._lost = False
        self._losses = 0  # since the server last said anything good
        self._asking: asyncio.Task[None] | None = None
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
        self._workers.start()
        self._asking = asyncio.create_task(self._keep_asking())

    async def stop(self) -> None:
        """Return what has not begun at once; let what runs finish, 10 seconds at most."""
        self._exit.close()
        await ended(self._asking)
        await self._workers.give_back()
        with suppress(Error, OSError, TimeoutError):
            # Ends the request at the server, then passes on what was already under way.
            if self._subscription and self._bus.nc.is_connected:
                async with asyncio.timeout(2):
                    await self._subscription.drain()  # type: ignore[no-untyped-call] # nats-py
        await self._workers.finish(DEADLINE)
        with suppress(Error, OSError, TimeoutError):
            await self._bus.nc.flush(timeout=2)

    async def unsubscribe(self) -> None:
        """Satisfy FastStream, for which this object is the subscriber's subscription."""

    async def _take(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        if message.reply:
            self._losses = 0
            self._wanted = max(0, self._wanted - 1)
            await self._workers.take(message)
            self._wake.set()
        else:
            self._note(message.headers or {})

    def _note(self, headers: Mapping[str, str]) -> None:
        """Heed a status: 100 heartbeat, 408 and some 409 the end of a request, others a loss."""
        status, text = headers.get("Status", ""), headers.get("Description", "")
        if status == "100":
            self._losses = 0
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

    async def _keep_asking(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._ask()
            except (Error, OSError, TimeoutError) as trouble:
                self._lost = True
                log.warning(
                    "a consumer is not to be had; trying again",
                    extra={"consumer": self._config.durable_name, "cause": cause_of(trouble)},
                )
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._wake.wait()

    async def _ask(self) -> None:
        """Ask for as much as is free, unless enough is asked for; heal a loss first."""
        now = asyncio.get_running_loop().time()
        if self._lost or (self._wanted and now - self._heard > SILENCE):
            if self._losses:
                await asyncio.sleep(min(0.025 * 2 ** min(self._losses, 6), 1.0))
            self._losses += 1
            await self._ensure()
            self._lost, self._wanted = False, 0
        free = self._workers.free - self._wanted
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
