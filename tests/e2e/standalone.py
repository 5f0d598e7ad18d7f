"""`python -m services.standalone` as a child: what `make run` starts."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.standalone.servers import free_port
from tests.processes import ROOT
from tests.servers import ServerProcess


class Standalone(ServerProcess):
    """`make run`, without the installation."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "standalone")
        self.port = free_port()
        self.var = self.home / "its own var"  # many a path has a space

    def command(self) -> list[str]:
        return [sys.executable, "-m", "services.standalone"]

    def environment(self) -> dict[str, str]:
        paths = f"{ROOT}:{ROOT / 'proto/gen'}"
        own = {"PYTHONPATH": paths, "PORT": str(self.port), "VAR_DIR": str(self.var)}
        return {**os.environ, **own}

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
            return False


@contextmanager
def started(home: Path) -> Iterator[Standalone]:
    server = Standalone(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()
