"""`make run` of an installed checkout: how soon, and how much memory."""

import os
import statistics
import tempfile
import time
from pathlib import Path

from tests.e2e.standalone import Standalone

from .figures import Figure

RUNS = 3


def measure() -> list[Figure]:
    runs = [_run() for _ in range(RUNS)]
    ready, memory = (statistics.median(column) for column in zip(*runs, strict=True))
    return [
        Figure("standalone.ready_s", ready, "s", None, "empty directory, to /healthz 200"),
        Figure("standalone.rss_mb", memory, "MB", None, "resident memory of all its processes"),
    ]


def _run() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as home:
        server = Standalone(Path(home))
        began = time.monotonic()
        server.start()
        ready = time.monotonic() - began
        try:
            time.sleep(2)
            return ready, _resident_mb(server.pid)
        finally:
            server.stop()


def _resident_mb(pid: int) -> float:
    """Sum the resident memory of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    own = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return own + sum(_resident_mb(int(child)) for child in children)
