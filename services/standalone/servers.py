"""A bus and a store on this machine, unless there are better ones to use."""

import asyncio
import errno
import json
import os
import re
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from itertools import count
from pathlib import Path

from services.kernel import streams

from .children import CannotRun, binary, child
from .edge import ROOT
from .secrets import Secrets

NATS_CONFIG = ROOT / "deploy/nats/server.conf"
FIRST_PORT, LAST_PORT = 20_000, 31_999
"""Of these no system that we run on chooses one by itself."""
APART = 499
"""Ports between where two processes begin that were started one after the other."""


@asynccontextmanager
async def bus(
    given: str, home: Path, log: Path, secrets: Secrets
) -> AsyncIterator[Callable[[str], str]]:
    """Yield what tells each user its NATS URL."""
    if given:
        yield lambda _user: given
        return
    command = [
        str(binary("nats-server")),
        "-c",
        str(NATS_CONFIG),
        "-a",
        "127.0.0.1",
        "-p",
        "-1",
        "-m",
        "-1",
    ]
    environment = {
        "NATS_SERVER_NAME": "centralita",
        "NATS_STORE_DIR": json.dumps(str(home)),  # read as configuration: a space would end it
        "NATS_MONITOR_ADDRESS": f"127.0.0.1:{free_port()}",
        "NATS_SYNC_INTERVAL": "always",
        "NATS_MAX_FILE_STORE": streams.ROOM,
        **secrets.nats_passwords(),
    }
    async with child(
        "The NATS server",
        [*command, "--ports_file_dir", str(home)],
        log=log,
        ready=lambda process: bool(_announced(process, home)),
        env=environment,
    ) as process:
        place = _announced(process, home)
        yield lambda user: f"nats://{user}:{secrets.nats[user]}@{place}"


def _announced(process: Process, home: Path) -> str:
    """Return host:port once the server has written it down."""
    path = home / f"nats-server_{process.pid}.ports"
    text = path.read_text() if path.exists() else ""
    return json.loads(text)["nats"][0].removeprefix("nats://") if text else ""


@asynccontextmanager
async def store(given: str, home: Path, log: Path) -> AsyncIterator[str]:
    """Yield the MongoDB URL."""
    if given:
        yield given
        return
    port = free_port()
    command = [sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--storage-path", str(home), "--cache-size", "64M", "--log-level", "WARNING"]
    # Nobody reads change streams: without a replica set it keeps no oplog, at half the work.
    command += ["--standalone"]
    async with child("The document store", command, log=log, ready=lambda _: _answers(port)):
        yield f"mongodb://127.0.0.1:{port}/?directConnection=true"


@asynccontextmanager
async def envoy(config: Path, port: int, log: Path) -> AsyncIterator[str]:
    """Run the edge with a configuration that makes it listen at `port`; yield its host:port."""
    command = [
        str(binary("envoy")),
        "-c",
        str(config),
        "--concurrency",
        "1",
        "--disable-hot-restart",
    ]
    command += ["--log-level", "warning", "--file-flush-interval-msec", "1000"]
    async with child("Envoy", command, log=log, ready=lambda _: _answers(port)):
        yield f"127.0.0.1:{port}"


def free_port() -> int:
    """Return a port on which nobody listens, for who cannot take one that the system chooses.

    The system chooses of its own range, for every connection too: a port of it that was free a
    moment ago may be somebody's when the server comes to it.
    """
    while True:
        port = next(_ports)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _ports_of_this_process() -> Iterator[int]:
    """Yield ports for ever, each process beginning elsewhere: who asks later gets another."""
    several = LAST_PORT - FIRST_PORT + 1
    for number in count(os.getpid() * APART):
        yield FIRST_PORT + number % several


_ports = _ports_of_this_process()


def insist_on_port(port: int) -> None:
    """Raise CannotRun when the edge could not listen there."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as no:
            says = {
                errno.EADDRINUSE: f"Port {port} is in use. Stop what uses it, or choose another:",
                errno.EACCES: f"PORT {port} is kept for the system. Choose one above 1023:",
            }
            default = f"PORT {port} of 127.0.0.1 cannot be used ({no.strerror}). Choose another:"
            sentence = says.get(no.errno or 0, default)
            raise CannotRun(f"{sentence} PORT=8081 make run") from no


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def insist_on_servers(urls: Mapping[str, str]) -> None:
    """Raise CannotRun when no server of a URL answers that was given in a variable."""
    for variable, url in urls.items():
        places = [place for place in _places(url) if place[1]]  # a name without a port is looked up
        if places and not any([await _reached(*place) for place in places]):
            said = ", ".join(f"{host}:{port}" for host, port in places)
            raise CannotRun(
                f"{variable}: nothing answers at {said}. Start that server, or leave the variable"
                " away to have one started."
            )


def _places(url: str) -> Iterator[tuple[str, int]]:
    """Yield host and port of each server of a URL; port 0 where none is said."""
    for one in url.split(","):
        place = one.rpartition("//")[2].rpartition("@")[2]
        if there := re.match(r"(\[[^\]]+\]|[^:/?]+)(?::(\d+))?", place):
            yield there[1].strip("[]"), int(there[2] or 0)


async def _reached(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
