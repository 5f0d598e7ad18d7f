"""`docker compose up` and the single-node overlay come up, as their files say, and stop cleanly.

Compose with the demonstration over it: what that adds is a customer and one permission, and nothing
is taken away (tests/contract/test_shipped_compose.py).
"""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from tests.deployed import STRANGERS, Process, compose, kubernetes
from tests.host import Host
from tests.manifests import ROOT

pytestmark = pytest.mark.timeout(180)

INSTALLATIONS: Mapping[str, Mapping[str, Process]] = {
    "compose": compose("docker-compose.demo.yml"),
    "single-node": kubernetes("k8s/overlays/single-node"),
}
FIRST = ("nats", "mongo")
JOBS = ("streams", "mongo-init")
LAST = ("edge",)
CUSTOMER = ("customer",)


@pytest.fixture(scope="module", params=INSTALLATIONS)
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """An installation that has come up, in the order its dependencies give."""
    it = Host(tmp_path_factory.mktemp(request.param), INSTALLATIONS[request.param])
    try:
        it.start(*FIRST)
        for job in JOBS:
            done = it.run(job)
            assert done.returncode == 0, done.stderr
        it.start("directory")
        rest = it.processes.keys() - {*FIRST, *JOBS, *LAST, *CUSTOMER, *STRANGERS, "directory"}
        it.start(*sorted(rest))
        it.start(*LAST)
        yield it
    finally:
        it.stop()


def test_everything_comes_up_and_every_probe_says_so(host: Host) -> None:
    asked = {
        (name, kind): host.probed(name, kind)
        for name, process in host.processes.items()
        for kind in process.probes
        if name not in STRANGERS
    }
    assert not [probe for probe, well in asked.items() if not well]
    stay = host.processes.keys() - {*JOBS, *CUSTOMER, *STRANGERS}
    assert {name for name, _ in asked} == stay


def test_the_edge_finds_every_service(host: Host) -> None:
    url = f"http://127.0.0.1:{host.ports['edge:8080']}/healthz"
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("host", ["compose"], indirect=True)
def test_the_customer_of_the_demonstration_is_answered_at_their_loopback(host: Host) -> None:
    """Beside the agent that its file names. Where no call-back may be private, none comes."""
    agent = subprocess.Popen(
        [
            *(sys.executable, ROOT / "examples/agent.py", "--reply", "It left this morning."),
            *("--conversations", "1", "--edge", f"http://127.0.0.1:{host.ports['edge:8080']}"),
        ]
    )
    try:
        # Only the port differs, because a test may not take the usual one.
        written = host.run("customer", "--listen", f"127.0.0.1:{host.ports['directory:9009']}")
        assert agent.wait(timeout=20) == 0
    finally:
        agent.kill()
    assert written.returncode == 0, written.stderr
    assert written.stdout.splitlines()[-1] == "agent:    It left this morning."


def test_told_to_stop_every_service_ends_cleanly(host: Host) -> None:
    """Last of the module: what is run before a stop, then the stop."""
    for name, process in host.processes.items():
        assert not process.stop or host.prestop(name) == 0, name
    codes = host.stop()
    ours = {name for name in codes if host.processes[name].image == "centralita"}
    assert ours == host.processes.keys() - {*FIRST, *JOBS, *LAST, *CUSTOMER, *STRANGERS}
    assert {name: code for name, code in codes.items() if name in ours and code} == {}
