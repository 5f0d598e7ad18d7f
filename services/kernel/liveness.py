"""Whether a process lives is answered from beside its event loop, so a stuck loop shows."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .health import Health
from .listening import listening
from .telemetry import meter

STUCK = 10.0
"""Seconds without a turn of the loop after which the process counts as dead."""

_BEAT = 0.5


class Liveness:
    """What the probes answer: /livez from the loop's pulse, /readyz from `ready` and `health`."""

    def __init__(self) -> None:
        self.ready = False
        self.health: Health | None = None
        self.address = ""
        self._beaten = time.monotonic()
        self._next: asyncio.TimerHandle | None = None
        self._lag = meter().create_histogram("centralita.loop.lag", "s")

    @property
    def alive(self) -> bool:
        return time.monotonic() - self._beaten < STUCK

    @property
    def able(self) -> bool:
        """Whether the process answers, and what it writes is kept."""
        return self.ready and self.alive and (self.health is None or self.health.well)

    def beat(self) -> None:
        now = time.monotonic()
        if self._next is not None:
            self._lag.record(max(0.0, now - self._beaten - _BEAT))
        self._beaten = now
        self._next = asyncio.get_running_loop().call_later(_BEAT, self.beat)

    def rest(self) -> None:
        if self._next is not None:
            self._next.cancel()


@contextmanager
def liveness(address: str) -> Iterator[Liveness]:
    """Answer probes at host:port on a daemon thread; with "" only keep the record."""
    probe = Liveness()
    if not address:
        yield probe
        return
    host, _, port = address.rpartition(":")
    with listening("HEALTH_ADDRESS", address):
        server = _server(host)((host.strip("[]"), int(port)), _handler(probe))
    probe.address = f"{host}:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, name="liveness", daemon=True).start()
    probe.beat()
    try:
        yield probe
    finally:
        probe.rest()
        server.shutdown()
        server.server_close()


def _server(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    return Server


def _handler(probe: Liveness) -> type[BaseHTTPRequestHandler]:
    class Probes(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            asked = {"/livez": probe.alive, "/readyz": probe.able}
            well = asked.get(self.path)
            self.send_response(404 if well is None else 200 if well else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Say nothing: a probe comes every few seconds."""

    return Probes
