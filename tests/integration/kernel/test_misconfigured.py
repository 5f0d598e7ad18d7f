"""A process that is told something wrong says which variable, in one line, and ends."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECRET = "sesame-sesame-sesame"
GOOD = {
    "NATS_URL": f"nats://somebody:{SECRET}@127.0.0.1:4222",
    "MONGO_URL": f"mongodb://somebody:{SECRET}@127.0.0.1:27017",
}
INGESTION = {**GOOD, "SERVICE_SECRET": SECRET}


def _run(module: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"services.{module}"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'proto/gen'}",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


@pytest.fixture
def busy() -> Iterator[str]:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("module", "environment", "line"),
    [
        ("ingestion", GOOD, "ingestion: SERVICE_SECRET must be set: 16 characters or more"),
        ("kernel.streams", {}, "streams: NATS_URL must be set"),
        ("kernel.dead_letters", {"NATS_URL": "here"}, "dead-letters: NATS_URL must be nats://"),
    ],
    ids=["no secret", "no bus", "no URL"],
)
def test_what_is_missing_or_no_such_thing_is_said_before_anything_starts(
    module: str, environment: dict[str, str], line: str
) -> None:
    done = _run(module, environment)
    (said,) = done.stderr.splitlines()
    assert (done.returncode, said[: len(line)]) == (1, line)


def test_an_address_that_is_taken_is_said_by_its_variable(busy: str) -> None:
    done = _run("contacts", {**GOOD, "HEALTH_ADDRESS": busy})
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert f"HEALTH_ADDRESS is {busy}, where nothing can listen" in line
    assert SECRET not in done.stderr
    assert "stack" not in line
