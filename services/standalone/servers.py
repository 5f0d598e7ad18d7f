"""A bus and a store on this machine, unless there are better ones to use."""

import json
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from services.kernel import streams

from .children import binary, child
from .edge import ROOT
from .secrets import Secrets

NATS_CONFIG = ROOT / "deploy/nats/server.conf"


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
        "NATS_STORE_DIR": str(home),
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
    """Return a port that was free a moment ago, for servers that cannot choose one themselves."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
