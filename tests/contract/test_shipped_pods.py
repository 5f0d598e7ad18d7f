"""What a pod is allowed and where it may stand; it has what is said here and nothing else.

Values that have a reason of their own are in tests/contract/test_shipped_values.py and
test_resources.py; here is the shape that is the same for all, so that a right or a field that one
workload gains is noticed.
"""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.test_shipped_values import CLUSTERED, JOBS, USERS
from tests.manifests import ROOT, built, rendered

NAME = "app.kubernetes.io/name"
every_build = pytest.mark.parametrize("path", built())

#: One machine has nothing to spread over; whoever is alone is spread by their volume.
ON_ONE_MACHINE = {"k8s/overlays/single-node", "k8s/tests/one-machine-observed"}
STATEFUL = {"nats", "mongo"}
PROBES = {"startupProbe", "livenessProbe", "readinessProbe"}
SEALED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD = {
    *("containers", "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks"),
    "securityContext",
}
CONTAINER = {"name", "image", "resources", "securityContext"}
#: What only some need.
MAY_HAVE = {"command", "args", "env", "ports", "lifecycle", "volumeMounts", *PROBES}
#: Where a file system is written that is not the image's: all else is read.
WRITTEN = {"/data", "/data/db", "/data/configdb", "/tmp"}


def _of(path: str, *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for it in rendered(path):
        if it["kind"] in kinds:
            yield it["metadata"]["name"], it


def _pods(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, it in _of(path, "Deployment", "StatefulSet", "Job"):
        yield name, it["spec"]["template"]["spec"]


def _spread(name: str, *over: str) -> list[dict[str, Any]]:
    """Replicas stand apart where they can, and where they cannot they stand all the same."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {NAME: name}},
        }
        for key in over
    ]


@every_build
def test_a_pod_has_the_rights_of_its_row_and_nothing_else(path: str) -> None:
    for name, pod in _pods(path):
        user = USERS.get(name, 10001)
        context = {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        if name in STATEFUL:
            context["fsGroup"] = user  # the volume is theirs
        assert pod["securityContext"] == context, name
        assert pod["enableServiceLinks"] is False, name
        kept = {"volumes"} if name in {*STATEFUL, "edge", "mongo-init"} else set()
        first = {"initContainers"} if name == "edge" else set()
        ends = {"restartPolicy"} if name in JOBS else {"terminationGracePeriodSeconds"}
        spread = {"topologySpreadConstraints"} & pod.keys()
        assert pod.keys() == POD | kept | first | ends | spread, name
        for container in [*pod["containers"], *pod.get("initContainers", ())]:
            assert container["securityContext"] == SEALED, name
            assert CONTAINER <= container.keys() <= CONTAINER | MAY_HAVE, name


@every_build
def test_replicas_stand_apart(path: str) -> None:
    host, zone = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
    for name, pod in _pods(path):
        over: tuple[str, ...] = (host, zone)
        if name in JOBS or (path in ON_ONE_MACHINE and name not in STATEFUL):
            over = ()
        elif name in STATEFUL:
            over = (zone,)
        assert pod.get("topologySpreadConstraints", []) == _spread(name, *over), name


@every_build
def test_what_is_given_to_read_cannot_be_written(path: str) -> None:
    for name, pod in _pods(path):
        for container in pod["containers"]:
            for mount in container.get("volumeMounts", ()):
                writes = mount["mountPath"] in WRITTEN
                assert mount.get("readOnly", False) == (not writes), (name, mount)
                assert mount.keys() <= {"name", "mountPath", "readOnly"}, name


@every_build
def test_a_workload_is_said_in_these_words(path: str) -> None:
    words = {
        "Deployment": {"revisionHistoryLimit", "selector", "strategy", "template"},
        "StatefulSet": {
            *("podManagementPolicy", "replicas", "selector", "serviceName", "template"),
            "volumeClaimTemplates",
        },
        "Job": {"backoffLimit", "template", "ttlSecondsAfterFinished"},
    }
    for kind, known in words.items():
        for name, it in _of(path, kind):
            spec = it["spec"]
            assert spec.keys() - {"replicas"} == known - {"replicas"}, name
            assert spec.get("revisionHistoryLimit", 5) == 5, name
            assert spec.get("serviceName", name) == name
            if kind != "Job":
                assert spec["selector"] == {"matchLabels": {NAME: name}}
            for claim in spec.get("volumeClaimTemplates", ()):
                assert claim["spec"].keys() == {"accessModes", "resources"}, name


@every_build
def test_a_service_is_found_in_the_way_that_is_written_down(path: str) -> None:
    """Members of a cluster find each other before they are ready; nobody else is found so early."""
    early = {"mongo"} | ({"nats"} if path in CLUSTERED else set())
    for name, it in _of(path, "Service"):
        spec = it["spec"]
        assert spec["selector"] == {NAME: name}
        assert spec.get("publishNotReadyAddresses", False) == (name in early), name
        assert spec.keys() <= {"clusterIP", "ports", "selector", "publishNotReadyAddresses"}, name
        for port in spec["ports"]:
            spoken = {"grpc": "kubernetes.io/h2c"}.get(port["name"])
            assert port.get("appProtocol") == spoken, (name, port)
            assert port["targetPort"] == port["name"], name


@every_build
def test_an_account_may_do_nothing(path: str) -> None:
    """No role is bound to any, and no pod is given its token."""
    for name, it in _of(path, "ServiceAccount"):
        assert it.keys() == {"apiVersion", "kind", "metadata", "automountServiceAccountToken"}
        assert it["automountServiceAccountToken"] is False, name
    assert {it["kind"] for it in rendered(path)} <= {
        *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Job", "Namespace"),
        *("NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "StatefulSet"),
    }


@every_build
def test_everything_of_ours_stands_in_one_namespace_with_one_release(path: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    spaces = {it["metadata"].get("namespace") for it in rendered(path) if it["kind"] != "Namespace"}
    own = "Namespace" in {it["kind"] for it in rendered(path)}
    assert spaces == ({"centralita"} if own else {None})
    tags = {
        container["image"].partition(":")[2]
        for _, pod in _pods(path)
        for container in [*pod["containers"], *pod.get("initContainers", ())]
        if container["image"].partition(":")[0].endswith("centralita")
    }
    assert tags == ({version} if path.startswith("k8s/overlays/") else {""})


EXPORTER = {
    "name": "exporter",
    "image": "natsio/prometheus-nats-exporter:0.20.1",
    "args": ["-varz", "-jsz=all", "-port=7777", "http://127.0.0.1:8222"],
    "ports": [{"name": "exporter", "containerPort": 7777}],
    "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
    "securityContext": SEALED,
}
#: It copies three files, and is gone.
COPIES = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}}


@every_build
def test_who_stands_in_a_pod_beside_the_one_it_is_for_is_written_down(path: str) -> None:
    for name, pod in _pods(path):
        _, *beside = pod["containers"]
        scraped = name == "nats" and path not in {"k8s/overlays/single-node", "k8s/tests/bare"}
        assert beside == ([EXPORTER] if scraped else []), name
        for first in pod.get("initContainers", ()):
            assert (name, first["resources"]) == ("edge", COPIES)
