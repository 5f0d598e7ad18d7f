"""Routers in processes of their own, which die, freeze and are watched doing so."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.floor import SHARDS

ROOT = Path(__file__).parents[2]


class Router:
    """One process; `accident` and the others are described in `tests.faults.process`."""

    def __init__(self, url: str, log: Path, **arranged: str) -> None:
        self._log = log
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto' / 'gen'}",
            "NATS_URL": url,
            "SHARDS": str(SHARDS),
            "GRPC_ADDRESS": "127.0.0.1:0",
            "HEALTH_ADDRESS": "",
            **{name.upper(): value for name, value in arranged.items()},
        }
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.process"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def leads(self) -> bool:
        return '"leading"' in self.log

    @property
    def serves(self) -> bool:
        return '"serving"' in self.log

    @property
    def died(self) -> int | None:
        """Return the signal that ended it, if one did."""
        code = self._process.poll()
        return None if code is None else -code

    @property
    def frozen(self) -> bool:
        state = Path(f"/proc/{self._process.pid}/stat").read_text()
        return state.rpartition(")")[2].split()[0] == "T"

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM: it tells what it has decided, and goes."""
        self._process.terminate()
        self._process.wait(timeout=30)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        self._process.wait()


class Routers:
    """Starts routers of one installation."""

    def __init__(self, url: str, home: Path) -> None:
        self._url, self._home = url, home
        self.started: list[Router] = []

    def start(self, **arranged: str) -> Router:
        log = self._home / f"router-{len(self.started)}.log"
        router = Router(self._url, log, **arranged)
        self.started.append(router)
        return router


@contextmanager
def routers(url: str, home: Path) -> Iterator[Routers]:
    """Start routers; what still runs at the end is killed."""
    them = Routers(url, home)
    try:
        yield them
    finally:
        for router in them.started:
            router.end()
