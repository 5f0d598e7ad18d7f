"""What the pages tell a reader to type, word for word."""

import json
import os
import re
import subprocess
import sys
import time

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


def shell(page: str, name: str, language: str = "sh") -> str:
    """Return the commands that a page shows under a walk-through mark, as they stand."""
    mark = rf"<!-- walk-through: {name} -->\n```{language}\n(.+?)\n```"
    found = re.search(mark, page, re.DOTALL)
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


def test_a_connector_hands_in_over_nats_and_reads_its_refusal_as_written(
    standalone: Standalone,
) -> None:
    """A stock client, the user of the page, and the page's own subject, headers and JSON."""
    var = standalone.var
    password = json.loads((var / "secrets.json").read_text())["nats"]["connector"]
    (ports,) = (var / "nats").glob("*.ports")
    place = json.loads(ports.read_text())["nats"][0].removeprefix("nats://")
    environment = {**os.environ, "NATS_URL": f"nats://connector:{password}@{place}"}
    program = shell(CONNECTORS, "nats", "python")
    said = [
        subprocess.run(
            [sys.executable, "-c", written],
            env=environment,
            text=True,
            capture_output=True,
            timeout=30,
            check=True,
        ).stdout
        for written in (program, program.replace('"Hello"', '""'))
    ]
    assert all("stream='SUBMISSIONS'" in line for line in said), said

    asking = shell(CONNECTORS, "refusals").replace("8080", str(standalone.port))
    give_up = time.monotonic() + 10
    while not (told := json.loads(typed(asking))["refusals"]):
        assert time.monotonic() < give_up, "it was never told"
        time.sleep(0.05)
    assert [(one["providerMessageId"], one["reason"]) for one in told] == [("m-2", "TEXT_MISSING")]
