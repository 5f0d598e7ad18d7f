"""One connection to NATS that never gives up, and a publish that tells the truth."""

import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import ConnectionClosedError, Error
from nats.js import JetStreamContext

from .publisher import BusUnavailable, Publisher
from .wire import Outgoing

__all__ = ["PUBLISH_TIMEOUT", "Bus", "BusUnavailable", "connected"]

log = logging.getLogger(__name__)

PUBLISH_TIMEOUT = 5.0
TELL_AGAIN = 10.0  # seconds before the same trouble is logged again


class Bus:
    """A connected client. `nc` and `js` are for hot paths, `broker` for declared handlers."""

    def __init__(self, nc: Client, broker: NatsBroker) -> None:
        self.nc = nc
        self.js: JetStreamContext = nc.jetstream(timeout=PUBLISH_TIMEOUT)
        self.broker = broker
        self._publisher = Publisher(nc)
        self._resumed: set[Callable[[], None]] = set()

    async def publish(self, message: Outgoing, *, timeout: float = PUBLISH_TIMEOUT) -> bool:  # noqa: ASYNC109 - one answer's time, part of the contract
        """Store a message; return True if the stream already had it.

        Raises BusUnavailable when no durable ack came within `timeout` seconds: the outcome is
        unknown, publish the same Outgoing again and its Nats-Msg-Id makes one message of both.
        Raises APIError when the stream refuses the message, for good.
        """
        return await self._publisher.publish(message, timeout)

    async def open(self) -> None:
        await self._publisher.open()

    @contextmanager
    def on_resume(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call back after each reconnect, when all that the server held for us may be gone."""
        self._resumed.add(callback)
        try:
            yield
        finally:
            self._resumed.discard(callback)

    async def resumed(self) -> None:
        log.info("nats is back")
        await self._publisher.resend()
        for callback in tuple(self._resumed):
            callback()


def _end_process() -> None:
    signal.raise_signal(signal.SIGTERM)


@asynccontextmanager
async def connected(
    url: str, *, name: str, lost: Callable[[], None] = _end_process
) -> AsyncIterator[Bus]:
    """Connect to NATS as `name`; `url` is one or more servers, comma separated.

    Credentials stand in the URL. Outages of any length heal by themselves; a server that does not
    answer two pings of 5 seconds counts as gone. Should the client close for good all the same
    (a refused login), `lost` is called: by default the process ends, for a fresh one to replace it.
    """
    bus: Bus | None = None
    leaving = False

    async def reconnected() -> None:
        if bus is not None:
            await bus.resumed()

    async def disconnected() -> None:
        if not leaving:
            log.warning("nats is gone")

    told: dict[str, float] = {}

    async def failed(error: Exception) -> None:
        # A refused login or a missing permission shows here and nowhere else.
        now, what = time.monotonic(), f"{type(error).__name__}: {error}"
        if now - told.get(what, -TELL_AGAIN) >= TELL_AGAIN:
            told.clear()
            told[what] = now
            log.warning("nats trouble", extra={"cause": what})

    async def closed() -> None:
        if not leaving:
            log.critical("nats closed the connection for good")
            lost()

    broker = NatsBroker(
        url.split(","),
        name=f"{name}-{os.getpid()}",
        inbox_prefix=f"_INBOX_{name}",
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,  # type: ignore[arg-type] # seconds; the client sleeps for it
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        drain_timeout=5,
        flush_timeout=5,
        error_cb=failed,
        disconnected_cb=disconnected,
        reconnected_cb=reconnected,
        closed_cb=closed,
        apply_types=False,  # the decoder already made what the handler takes
        logger=None,
    )
    nc = await broker.connect()
    bus = Bus(nc, broker)
    try:
        await bus.open()
        yield bus
    finally:
        leaving = True
        try:
            await broker.stop()
        except (ConnectionClosedError, Error, OSError):
            await nc.close()  # draining needs a server; without one there is nothing to drain
