"""Real servers for tests: own port, own directory, and they can be killed, frozen and restarted."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from services.standalone.servers import free_port

NATS = Path(sys.executable).with_name("nats-server")


class ServerProcess:
    """A server that keeps its port and its store over restarts."""

    def __init__(self, home: Path, name: str) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.port = 0
        self._log = home / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return os.environ

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self) -> subprocess.Popen[bytes]:
        """Start without waiting: whatever it needs may not be there."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.home, env=self.environment()
            )
        return self._process

    def start(self) -> None:
        self.launch()
        self.await_ready()

    def await_ready(self, seconds: float = 20) -> None:
        process = self._process
        assert process is not None
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up and process.poll() is None:
            if self.ready(process):
                return
            time.sleep(0.005)
        self.kill()
        raise RuntimeError(f"{self.command()[0]} did not start: {self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL: what was not on disk is gone, and clients get no good-bye."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class NatsServer(ServerProcess):
    def __init__(self, home: Path, *extra: str) -> None:
        super().__init__(home, "nats")
        self._extra = extra

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        port = str(self.port or -1)
        fixed = ["-a", "127.0.0.1", "-p", port, "-js", "-sd", str(self.home / "store")]
        return [str(NATS), *fixed, "--ports_file_dir", str(self.home), *self._extra]

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        announced = self.home / f"nats-server_{process.pid}.ports"
        if not announced.exists() or not (text := announced.read_text()):
            return False
        self.port = int(json.loads(text)["nats"][0].rpartition(":")[2])
        return True


class MongoServer(ServerProcess):
    """SecantusDB in a process of its own: it speaks MongoDB's protocol and needs no download."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "mongo")
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def command(self) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        store = ["--storage-path", str(self.home / "store"), "--cache-size", "64M"]
        # As in services/standalone: no replica set, so no oplog.
        return [sys.executable, "-m", "secantus", *where, *store, "--standalone"]

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def nats_server(home: Path, *extra: str) -> Iterator[NatsServer]:
    """Run a NATS server with JetStream; `extra` are further options of its command."""
    server = NatsServer(home, *extra)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def mongo_server(home: Path) -> Iterator[MongoServer]:
    server = MongoServer(home)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class NatsCluster:
    """Three servers that keep every stream threefold; any one may be killed."""

    def __init__(self, home: Path) -> None:
        routes = [free_port() for _ in range(3)]
        told = ",".join(f"nats://127.0.0.1:{port}" for port in routes)
        self.servers = [
            NatsServer(
                home / f"n{number}",
                *("-n", f"n{number}", "--cluster_name", "tests"),
                *("--cluster", f"nats://127.0.0.1:{port}", "--routes", told),
            )
            for number, port in enumerate(routes)
        ]

    @property
    def url(self) -> str:
        return ",".join(server.url for server in self.servers)

    def named(self, name: str) -> NatsServer:
        """Return the server JetStream calls `name`, as in a stream's `cluster.leader`."""
        return self.servers[int(name.removeprefix("n"))]


@contextmanager
def nats_cluster(home: Path) -> Iterator[NatsCluster]:
    """Start a cluster; JetStream in it is ready some seconds later, so poll for it."""
    cluster = NatsCluster(home)
    try:
        for server in cluster.servers:
            server.start()
        yield cluster
    finally:
        for server in cluster.servers:
            server.stop()
