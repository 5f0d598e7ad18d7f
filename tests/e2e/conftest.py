"""The whole of Centralita once per session, started as the README says."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from tests.e2e.people import Edge
from tests.servers import ServerProcess, free_port

ROOT = Path(__file__).resolve().parents[2]


class Standalone(ServerProcess):
    """`make run`, without the installation."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "standalone")
        self.port = free_port()

    def command(self) -> list[str]:
        return [sys.executable, "-m", "services.standalone"]

    def environment(self) -> dict[str, str]:
        paths = f"{ROOT}:{ROOT / 'proto/gen'}"
        own = {"PYTHONPATH": paths, "PORT": str(self.port), "VAR_DIR": str(self.home / "var")}
        return {**os.environ, **own}

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
            return False


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    server = Standalone(tmp_path_factory.mktemp("standalone"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
async def edge(standalone: Standalone) -> AsyncIterator[Edge]:
    address = f"127.0.0.1:{standalone.port}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield Edge(address, channel)
