"""Each process gets what it was measured to need, in compose and Kubernetes alike.

Measured on 2026-11-30 on Linux with Python 3.11: each process of compose on its own, started, with
the demonstration's tenant and nobody at work (MiB resident). What comes on top under load is
reckoned from the bounds in the code, and says which.
"""

from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from services.directory.settings import Settings as Directory
from services.workspace.settings import Settings as Workspace
from tests.manifests import ROOT, built, rendered

#: Messages in the hands of one consumer at most (max_ack_pending), each of 1 MB at most
#: (max_payload of deploy/nats/server.conf).
IN_HAND = 256
#: A card's last word in memory, or a change kept for those who come back: docs/adr/0013.
KIB_PER_WORD = 2
SPARE = 1.2


@dataclass(frozen=True)
class Need:
    """What a process takes when it stands still, and what may come on top, in MiB."""

    idle: float
    more: float
    cpu: str
    """Cores under the load that docs/adr/0026 reckons with: what the scheduler sets aside."""


NEEDS = {
    # One password at a time for each thread (32 MiB each), as the defaults are.
    "directory": Need(
        92, Directory.password_threads * Directory.password_memory_kib / 1024, "250m"
    ),
    "ingestion": Need(90, IN_HAND, "250m"),
    "contacts": Need(86, 64, "250m"),
    "conversations": Need(88, IN_HAND, "250m"),
    "presence": Need(88, 64, "250m"),
    # 245 read from a snapshot of 100,000 waiting, 25 while one is written, 325 ExplainTask's child,
    # 128 Simulate's: services/dispatch and `make bench`.
    "dispatch": Need(83, 245 + 25 + 325 + 128, "500m"),
    # A word for each of 100,000 conversations of eight days, and the changes kept for replay.
    "workspace": Need(80, (100_000 + Workspace.replay_changes) * KIB_PER_WORD / 1024, "250m"),
    "dead-letters": Need(54, 64, "50m"),
    "edge": Need(72, 256, "250m"),
}
#: What others' servers are given: as their makers advise for so small an installation.
SERVERS: dict[str, tuple[str, str, str]] = {
    "nats": ("250m", "256Mi", "1Gi"),
    "mongo": ("250m", "768Mi", "1536Mi"),
    "streams": ("50m", "96Mi", "192Mi"),
    "mongo-init": ("50m", "128Mi", "256Mi"),
}
GIVEN = {
    "contacts": ("128Mi", "384Mi"),
    "conversations": ("128Mi", "512Mi"),
    "presence": ("128Mi", "384Mi"),
    "directory": ("160Mi", "384Mi"),
    "ingestion": ("128Mi", "512Mi"),
    "workspace": ("192Mi", "512Mi"),
    "dead-letters": ("80Mi", "192Mi"),
    "dispatch": ("512Mi", "1Gi"),
    "edge": ("96Mi", "512Mi"),
}


def _mib(text: str) -> float:
    units = {"Mi": 1, "Gi": 1024, "m": 1, "g": 1024}
    unit = next(unit for unit in units if text.endswith(unit))
    return float(text.removesuffix(unit)) * units[unit]


def _resources(path: str) -> dict[str, Any]:
    return {
        it["metadata"]["name"]: it["spec"]["template"]["spec"]["containers"][0]["resources"]
        for it in rendered(path)
        if it["kind"] in {"Deployment", "StatefulSet", "Job"}
    }


@pytest.mark.parametrize("path", built())
def test_every_process_is_given_what_is_written_down(path: str) -> None:
    for name, given in _resources(path).items():
        cpu, request, limit = SERVERS.get(name) or (NEEDS[name].cpu, *GIVEN[name])
        assert given == {
            "requests": {"cpu": cpu, "memory": request},
            "limits": {"memory": limit},
        }, name


@pytest.mark.parametrize("name", NEEDS)
def test_what_is_given_is_enough_for_what_was_measured(name: str) -> None:
    need, (request, limit) = NEEDS[name], GIVEN[name]
    assert _mib(request) >= SPARE * need.idle
    assert _mib(limit) >= SPARE * (need.idle + need.more)


def test_compose_gives_the_same() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    limits = {name: limit for name, (_, limit) in GIVEN.items()}
    limits |= {name: limit for name, (_, _, limit) in SERVERS.items()}
    given = {name: _mib(it["mem_limit"]) for name, it in services.items() if name in limits}
    assert given == {name: _mib(limit) for name, limit in limits.items()}
    assert all(
        it["pids_limit"] == 256 for name, it in services.items() if name in NEEDS.keys() - {"edge"}
    )


def test_another_pod_is_wanted_when_those_there_use_most_of_a_core() -> None:
    scaled = {
        it["metadata"]["name"]: it["spec"]
        for it in rendered("k8s/overlays/production")
        if it["kind"] == "HorizontalPodAutoscaler"
    }
    assert {name: (it["minReplicas"], it["maxReplicas"]) for name, it in scaled.items()} == {
        "directory": (2, 6),
        "ingestion": (2, 12),
        "contacts": (2, 6),
        "conversations": (2, 12),
        "presence": (2, 6),
        "workspace": (2, 12),
        "edge": (2, 6),
    }
    target = {"type": "AverageValue", "averageValue": "700m"}
    for name, spec in scaled.items():
        assert spec["scaleTargetRef"]["name"] == name
        assert spec["metrics"] == [
            {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        ]
        assert spec["behavior"] == {"scaleDown": {"stabilizationWindowSeconds": 300}}
