"""One connection to NATS that never gives up, and a publish that tells the truth."""

import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import Header
from nats.js.errors import APIError

from .client import TolerantClient
from .ending import beside
from .env import Misconfigured
from .jetstream import PatientJetStream
from .publisher import BusUnavailable, Overtaken, Publisher, overtaken
from .reachable import Reachable
from .wire import Outgoing

__all__ = ["PUBLISH_TIMEOUT", "Bus", "BusUnavailable", "Overtaken", "connected"]

log = logging.getLogger(__name__)

PUBLISH_TIMEOUT = 5.0
TELL_AGAIN = 10.0  # seconds before the same trouble is logged again


class _Broker(NatsBroker):
    """Declares and calls handlers over a connection that is not its own.

    One that it made itself would take some refusals, met while reconnecting, for the end of all
    further attempts, in silence.
    """

    def __init__(self, nc: Client) -> None:
        super().__init__(apply_types=False, logger=None)  # the decoder makes what a handler takes
        self._nc = nc

    async def _connect(self) -> Client:
        self.config.connect(self._nc)
        return self._nc


class Bus:
    """A connected client. `nc` and `js` are for hot paths, `broker` for `consuming` alone."""

    def __init__(self, nc: Client) -> None:
        self.nc = nc
        self.js: JetStreamContext = PatientJetStream(nc, timeout=PUBLISH_TIMEOUT)
        self.broker = _Broker(nc)
        self._publisher = Publisher(nc)
        self._resumed: set[Callable[[], None]] = set()

    async def publish(self, message: Outgoing, *, timeout: float = PUBLISH_TIMEOUT) -> bool:  # noqa: ASYNC109 - one answer's time, part of the contract
        """Store a message; return True if the stream already had it.

        Raises BusUnavailable when no durable ack came within `timeout` seconds: the outcome is
        unknown, publish the same Outgoing again and its Nats-Msg-Id makes one message of both.
        Raises APIError when the stream refuses the message, for good.
        """
        ack = await self._publisher.publish(message, timeout)
        return bool(ack.get("duplicate"))

    async def append(
        self,
        message: Outgoing,
        *,
        after: int,
        timeout: float = PUBLISH_TIMEOUT,  # noqa: ASYNC109 - as above
    ) -> int:
        """Store a message as the next one of its subject; return its sequence.

        `after` is the sequence of the subject's last message, 0 for none. Raises Overtaken when
        that is another one: somebody else was first, or an earlier try of ours whose outcome was
        unknown. Raises BusUnavailable and APIError as `publish` does.
        """
        expected = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(after)}
        headers = {**message.headers, **expected}
        try:
            ack = await self._publisher.publish(replace(message, headers=headers), timeout)
        except APIError as refused:
            if overtaken(refused):
                raise Overtaken(message.subject) from refused
            raise
        return int(ack["seq"])

    async def open(self) -> None:
        await self.broker.connect()
        await self._publisher.open()

    async def resend_late(self) -> None:
        """Send again, for ever, what may have gone to a leader that is no more."""
        await self._publisher.resend_late()

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
    answer two pings of 5 seconds counts as gone. A login refused at the start is raised; should the
    client close for good later, `lost` is called: by default the process ends, for a fresh one to
    take its place.
    """
    nc = TolerantClient()
    watch = _Watch(nc, lost)
    await nc.connect(
        url.split(","),
        name=f"{name}-{os.getpid()}",
        inbox_prefix=f"_INBOX_{name}",
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,  # type: ignore[arg-type] # seconds it sleeps, whole or not
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        drain_timeout=5,
        error_cb=watch.failed,
        disconnected_cb=watch.disconnected,
        reconnected_cb=watch.reconnected,
        closed_cb=watch.closed,
    )
    watch.bus = bus = Bus(nc)
    try:
        await bus.open()
        watch.reachable.tell(True)
        async with beside(bus.resend_late()):
            yield bus
    finally:
        watch.leaving = True
        try:
            await nc.drain()
        except (Error, OSError):
            await nc.close()  # draining needs a server; without one there is nothing to drain


class _Watch:
    """What the client tells about the connection."""

    def __init__(self, nc: Client, lost: Callable[[], None]) -> None:
        self.bus: Bus | None = None
        self._nc = nc
        self.leaving = False
        self._lost = lost
        self._told: dict[str, float] = {}
        self.reachable = Reachable("nats")
        self.reachable.tell(False)

    async def reconnected(self) -> None:
        self.reachable.tell(True)
        if self.bus is not None:
            await self.bus.resumed()

    async def disconnected(self) -> None:
        self.reachable.tell(False)
        if not self.leaving:
            log.warning("nats is gone")

    async def failed(self, error: Exception) -> None:
        """Log what shows nowhere else, such as a missing permission; raise a refused start."""
        self._hang_up()
        now, what = time.monotonic(), f"{type(error).__name__}: {error}"
        if now - self._told.get(what, -TELL_AGAIN) >= TELL_AGAIN:
            self._told = {what: now}
            so_far = "nats trouble" if self.bus else "nats is not reached; is NATS_URL right?"
            log.warning(so_far, extra={"cause": what})
        if self.bus is None and "authorization violation" in what.lower():
            raise Misconfigured({"NATS_URL": "is refused: user or password is wrong"}) from error

    def _hang_up(self) -> None:
        """Close the socket of an attempt that came to nothing: the client would forget it open."""
        transport = self._nc._transport  # noqa: SLF001 - it is nowhere else
        if transport is not None and not self._nc.is_connected:
            transport.close()  # type: ignore[no-untyped-call]

    async def closed(self) -> None:
        if not self.leaving:
            self.leaving = True
            log.critical("nats closed the connection for good")
            self._lost()
