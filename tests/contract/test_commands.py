"""No command that compose, Kubernetes or the image runs is run by no test.

tests/e2e/test_deployed.py runs all of compose and of the single-node overlay. Here: that the other
builds run the same, and what is said to the programs of others, which no test can run.
"""

import re
from pathlib import Path

import pytest

from tests.contract.test_resources import NEEDS
from tests.deployed import ENTRYPOINTS, STRANGERS, Process, compose, kubernetes
from tests.manifests import ROOT, built

DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()
OURS = NEEDS.keys() - {"edge"}
CLUSTERED = ("nats-server", "-c", "/etc/nats/cluster.conf")

#: The commands of images that are not ours and not stood in for, each with its reason.
STRANGE = {
    "otel-collector": ("/otelcol-contrib", "--config", "/etc/otel/collector.yaml"),
    "nats-exporter": (
        "/prometheus-nats-exporter",
        "-varz",
        "-jsz=all",
        "-port=7777",
        "http://nats:8222",
    ),
    "prometheus": (
        "/bin/prometheus",
        "--config.file=/etc/prometheus/prometheus.yaml",
        "--storage.tsdb.path=/prometheus",
        "--storage.tsdb.retention.time=15d",
    ),
    "grafana": ("/run.sh",),
}


def _run(process: Process) -> tuple[object, ...]:
    probes = dict(process.probes)
    return process.command, process.before, process.stop, probes, set(process.environment)


@pytest.mark.parametrize("path", built())
def test_every_build_runs_what_the_single_node_runs(path: str) -> None:
    known, build = kubernetes("k8s/overlays/single-node"), kubernetes(path)
    exported = {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    for name, process in build.items():
        command, *others, said = _run(process)
        assert isinstance(said, set)
        wanted, *same, told = _run(known[name])
        # tests/contract/test_manifests.py has a server read it; test_cluster.py is a cluster.
        clustered = name == "nats" and command == CLUSTERED
        assert clustered or command == wanted, name
        assert (others, said - exported) == (same, told), name


#: Its store begins as root, which makes the file, and goes on as another.
BEGINS_AS_ROOT = "chown mongodb /tmp/key; "
#: Who is told something by compose or Kubernetes alone.
TOLD_BY_ONE = {
    *((name, "OTEL_EXPORTER_OTLP_ENDPOINT") for name in OURS),
    ("directory", "SEED_FILE"),
    ("dispatch", "SHARDS"),
    ("streams", "NATS_REPLICAS"),
    ("mongo-init", "HOME"),
}


def test_compose_runs_and_tells_what_kubernetes_does() -> None:
    """What they tell has the same names; the values are in the tables of what is shipped."""
    composed = {name: it for name, it in compose().items() if name not in STRANGERS}
    build = kubernetes("k8s/overlays/single-node")
    assert {
        name: tuple(word.replace(BEGINS_AS_ROOT, "") for word in it.command)
        for name, it in composed.items()
    } == {name: it.command for name, it in build.items()}
    told = [
        {(name, key) for name, it in way.items() for key in it.environment}
        for way in (composed, build)
    ]
    assert told[0] ^ told[1] == TOLD_BY_ONE


def test_what_the_programs_of_others_are_told_is_written_down_and_there() -> None:
    assert {name: compose()[name].command for name in STRANGERS} == STRANGE
    for name in STRANGERS:
        for folder, ours in compose()[name].files.items():
            assert isinstance(ours, Path)
            assert ours.is_dir()
            for file in re.findall(rf"{folder}/(\S+)", " ".join(STRANGE[name])):
                assert (ours / file).is_file(), file


def test_the_image_begins_as_the_manifests_think() -> None:
    (entry,) = re.findall(r'^ENTRYPOINT \["(.*)"\]$', DOCKERFILE, re.MULTILINE)
    assert (entry,) == ENTRYPOINTS["centralita"]
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^WORKDIR (.*)$", DOCKERFILE, re.MULTILINE) == ["/app"]
