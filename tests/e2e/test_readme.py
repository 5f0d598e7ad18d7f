"""What the pages tell a reader to type, word for word."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.e2e.standalone import Standalone
from tests.processes import ROOT

README = (ROOT / "README.md").read_text()
CONNECTORS = (ROOT / "docs/connectors.md").read_text()


def command(name: str) -> list[str]:
    """Return the command that the README shows under a walk-through mark."""
    words = re.findall(r'"[^"]*"|\S+', shell(README, name))
    assert words[0] == "python3"
    return [sys.executable, *(word.strip('"') for word in words[1:])]


def shell(page: str, name: str) -> str:
    """Return the commands that a page shows under a walk-through mark, as they stand."""
    found = re.search(rf"<!-- walk-through: {name} -->\n```sh\n(.+?)\n```", page, re.DOTALL)
    assert found is not None
    return found[1]


def shown() -> list[str]:
    """Return the lines that the README says the agent's terminal shows."""
    found = re.search(r"The agent's terminal shows\n\n```\n(.+?)\n```", README, re.DOTALL)
    assert found is not None
    return found[1].splitlines()


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_walk_through_works_as_written(standalone: Standalone, time: str) -> None:
    """Twice in a row; only the port differs, because a test may not take the usual one."""
    edge = ["--edge", f"http://127.0.0.1:{standalone.port}"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    agent = subprocess.Popen(
        [*command("agent"), *edge],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
    )
    try:
        customer = subprocess.run(
            [*command("customer"), *edge],
            cwd=ROOT,
            env=environment,
            text=True,
            capture_output=True,
            timeout=40,
            check=True,
        )
        said, _ = agent.communicate(timeout=20)
    finally:
        agent.kill()
    assert said.splitlines() == shown()
    assert "It left this morning." in customer.stdout


def typed(commands: str) -> str:
    """Return what a shell says to commands."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        text=True,
        capture_output=True,
        timeout=30,
        check=True,
    )
    return done.stdout


def test_a_front_end_reads_the_unassigned_list_as_written(standalone: Standalone) -> None:
    said = typed(shell(README, "front-end").replace("8080", str(standalone.port)))
    assert "cards" in json.loads(said), said


def test_a_connector_signs_as_written() -> None:
    commands, _, expected = shell(CONNECTORS, "signature").rpartition("# ")
    assert typed(commands).split()[-1] == expected


def test_a_connectors_message_is_accepted_as_written(standalone: Standalone) -> None:
    said = typed(shell(CONNECTORS, "message").replace("8080", str(standalone.port)))
    assert "202 Accepted" in said
