"""`make run`, as somebody at a terminal meets it: it starts, says so, stops, and comes back."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.standalone.secrets import kept_secrets
from services.standalone.servers import free_port
from tests.e2e.people import Edge, desk
from tests.e2e.standalone import Standalone

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Standalone]:
    server = Standalone(tmp_path)
    yield server
    server.kill()


def _descendants(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children}


def _alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and _state(pid) != "Z"}


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _until(done: Callable[[], bool], seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.05)


def _get(server: Standalone, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
        return json.loads(answer.read() or b"null")


def _output(server: Standalone) -> str:
    return (server.home / "standalone.log").read_text()


def _run(server: Standalone, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start one that is expected not to start."""
    return subprocess.run(
        server.command(),
        env={**server.environment(), **environment},
        cwd=server.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_it_says_where_it_is_works_as_least_privileged_users_and_comes_back(
    here: Standalone,
) -> None:
    here.start()
    _until(lambda: "Centralita is ready at" in _output(here))
    assert f"http://127.0.0.1:{here.port}" in _output(here)
    keys = _get(here, "/.well-known/jwks.json")
    await _one_is_served(here)
    assert "Violation" not in (here.var / "log/nats.log").read_text()

    children = _descendants(here.pid)
    assert len(children) == 3
    here.stop()
    assert not _alive(children)

    here.start()
    assert _get(here, "/.well-known/jwks.json") == keys
    assert "refused" not in _output(here)
    await _one_is_served(here)  # from what was saved at the end
    assert "Violation" not in (here.var / "log/nats.log").read_text()


async def _one_is_served(here: Standalone) -> None:
    address = f"127.0.0.1:{here.port}"
    async with (
        grpc.aio.insecure_channel(address) as channel,
        desk(Edge(address, channel)) as it,
        it.agents[0].at_work() as ana,
    ):
        await it.customer.write("is somebody there?")
        offer = await ana.offer()
        await ana.accept(offer.conversation_id)
        await ana.reply(offer.conversation_id, "yes")
        await it.customer.reply("yes")
        await ana.close(offer.conversation_id)


def test_when_it_is_killed_its_servers_end_too(here: Standalone) -> None:
    here.start()
    children = _descendants(here.pid)
    assert len(children) == 3
    here.kill()
    _until(lambda: not _alive(children))


def test_when_a_server_ends_it_says_so_and_stops_the_others(here: Standalone) -> None:
    here.start()
    pid, children = here.pid, _descendants(here.pid)
    bus = next(one for one in children if b"nats-server" in _command(one))
    os.kill(bus, signal.SIGKILL)
    _until(lambda: not _alive({pid, *children}), 40)
    assert "The NATS server ended by itself." in _output(here)


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_port_in_use_is_said_before_anything_is_started(here: Standalone) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = _run(here, PORT=str(port))
    assert ended.returncode == 1
    assert f"centralita: Port {port} is in use." in ended.stderr
    assert not (here.var / "log/nats.log").exists()


def test_a_directory_in_use_is_said(here: Standalone) -> None:
    here.start()
    ended = _run(here, PORT=str(free_port()))
    assert ended.returncode == 1
    assert "centralita: Another Centralita runs in" in ended.stderr
    assert _get(here, "/.well-known/jwks.json")


def test_a_wrong_setting_is_named(here: Standalone) -> None:
    ended = _run(here, PORT="eighty", TRUSTED_HOPS="10", VAR_DIR="/dev/null/var")
    assert ended.returncode == 1
    assert ended.stderr == (
        "centralita: PORT must be a whole number from 1 to 65,535;"
        " TRUSTED_HOPS must be a whole number from 0 to 9\n"
    )


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("PORT", "99999", "PORT must be a whole number from 1 to 65,535"),
        # Not even root may write there; a disk that is read-only answers the same way.
        ("VAR_DIR", "/dev/null/var", "VAR_DIR /dev/null/var cannot be written (Not a directory)."),
        (
            "VAR_DIR",
            "/proc/var",
            "VAR_DIR /proc/var cannot be written (No such file or directory).",
        ),
        ("NATS_URL", "nats://127.0.0.1:9", "NATS_URL: nothing answers at 127.0.0.1:9."),
        ("MONGO_URL", "mongodb://127.0.0.1:9/x", "MONGO_URL: nothing answers at 127.0.0.1:9."),
        ("MONGO_URL", "127.0.0.1:9", "MONGO_URL must be mongodb://"),
    ],
)
def test_what_stops_it_is_said_in_one_line(
    here: Standalone, variable: str, value: str, sentence: str
) -> None:
    ended = _run(here, **{variable: value})
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert line.startswith(f"centralita: {sentence}")


def test_a_wrong_setting_of_a_service_is_named_though_others_run_already(
    here: Standalone,
) -> None:
    ended = _run(here, WATCH_BUFFER="many")
    assert ended.returncode == 1
    assert (
        ended.stderr.strip()
        == "centralita: WATCH_BUFFER must be a whole number from 1 to 1,000,000"
    )


def test_secrets_are_kept_and_nobody_else_may_read_them(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = kept_secrets(path)
    assert kept_secrets(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(word[0].isalpha() for word in first.nats.values())
    known = json.loads(path.read_text())
    del known["nats"]["presence"]
    path.write_text(json.dumps(known))
    again = kept_secrets(path)
    assert again.nats["contacts"] == first.nats["contacts"]
    assert again.nats["presence"]
