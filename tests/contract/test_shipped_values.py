"""The deadlines, counts, ports and paths of Kubernetes, written down a second time on purpose.

Whoever changes one changes it here as well, and has then read why it is so.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.contract.test_resources import NEEDS
from tests.manifests import ROOT, built, rendered

OURS = NEEDS.keys()
JOBS = frozenset({"streams", "mongo-init"})


def _get(path: str, port: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port}}


#: A start may take a minute; a stuck loop ends after half a minute; two missed seconds take a pod
#: out of its Service.
STARTUP = {"periodSeconds": 1, "failureThreshold": 60}
LIVENESS = {"periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 3}
READINESS = {"periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 2}
PROBES = {
    "startupProbe": _get("/readyz", "health") | STARTUP,
    "livenessProbe": _get("/livez", "health") | LIVENESS,
    "readinessProbe": _get("/readyz", "health") | READINESS,
}
WELL = "db.runCommand('ping').ok || quit(1)"
PING = {"exec": {"command": ["mongosh", "--quiet", "--eval", WELL]}}
SLOWLY = {"periodSeconds": 10, "timeoutSeconds": 10}
PROBES_OF: Mapping[str, Any] = {
    # It reads a word for each conversation of eight days first: docs/adr/0013.
    "workspace": PROBES
    | {"startupProbe": _get("/readyz", "health") | STARTUP | {"failureThreshold": 600}},
    "edge": {
        "startupProbe": _get("/livez", "edge") | STARTUP,
        "livenessProbe": _get("/livez", "edge") | LIVENESS,
        "readinessProbe": _get("/livez", "edge") | READINESS,
    },
    "nats": {
        "startupProbe": _get("/healthz", "monitor") | {"periodSeconds": 2, "failureThreshold": 90},
        "livenessProbe": _get("/healthz?js-enabled-only=true", "monitor") | {"periodSeconds": 30},
        "readinessProbe": _get("/healthz?js-server-only=true", "monitor") | {"periodSeconds": 5},
    },
    "mongo": {
        "startupProbe": PING | SLOWLY | {"failureThreshold": 30},
        "livenessProbe": PING | SLOWLY | {"failureThreshold": 30},
        "readinessProbe": PING | SLOWLY,
    },
}
SERVICE_PORTS = {"health": 8081, "grpc": 50051}
PORTS_OF: Mapping[str, dict[str, int]] = {
    "directory": SERVICE_PORTS | {"http": 8080},
    "ingestion": SERVICE_PORTS | {"http": 8080},
    "dead-letters": {"health": 8081},
    "edge": {"edge": 8080, "metrics": 9902},
    "nats": {"client": 4222, "monitor": 8222},
    "mongo": {"mongo": 27017},
    **{key: {} for key in JOBS},
}
#: The edge lets clients go before it stops; ours drain 25 s after that (services/kernel/run.py).
BEFORE_STOP: Mapping[str, Any] = {
    "edge": {"preStop": {"sleep": {"seconds": 20}}},
    "nats": {"preStop": {"exec": {"command": ["nats-server", "--signal", "ldm=1"]}}},
    **{key: {} for key in ("mongo", *JOBS)},
}
GRACE = {"nats": 60, "mongo": 60} | dict.fromkeys(JOBS)
USERS = {"nats": 1000, "mongo": 999, "mongo-init": 999}
IMAGES = {
    "edge": "envoyproxy/envoy:v1.40.0",
    "nats": "nats:2.15.1-alpine",
    "mongo": "mongo:8.0",
    "mongo-init": "mongo:8.0",
}
REPLICAS = {
    "k8s/overlays/production": 2,
    "k8s/overlays/single-node": 1,
    "k8s/tests/bare": 2,
    "k8s/tests/clustered-with-own-store": 2,
    "k8s/tests/everything-managed": 2,
    "k8s/tests/one-machine-observed": 1,
}
CLUSTERED = {"k8s/overlays/production", "k8s/tests/clustered-with-own-store"}
OURS_RUN = "centralita"


def _pods(path: str) -> dict[str, Any]:
    kinds = {"Deployment", "StatefulSet", "Job"}
    return {it["metadata"]["name"]: it for it in rendered(path) if it["kind"] in kinds}


@pytest.mark.parametrize("path", built())
def test_probes_ports_and_deadlines_of_every_pod_are_these(path: str) -> None:
    for name, it in _pods(path).items():
        pod = it["spec"]["template"]["spec"]
        container, *_ = pod["containers"]
        probes = {key: value for key, value in container.items() if key.endswith("Probe")}
        assert probes == ({} if name in JOBS else PROBES_OF.get(name, PROBES)), name
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
        cluster = {"cluster": 6222} if name == "nats" and path in CLUSTERED else {}
        assert ports == PORTS_OF.get(name, SERVICE_PORTS) | cluster, name
        before_stop = BEFORE_STOP.get(name, {"preStop": {"sleep": {"seconds": 5}}})
        assert container.get("lifecycle", {}) == before_stop, name
        assert pod.get("terminationGracePeriodSeconds") == GRACE.get(name, 45), name
        assert pod["securityContext"]["runAsUser"] == USERS.get(name, 10001), name
        assert pod["securityContext"]["runAsGroup"] == USERS.get(name, 10001), name
        image = container["image"].rpartition("registry.example.com/")[2]
        wanted = IMAGES.get(name, OURS_RUN)
        assert image == wanted or image.partition(":")[0] == wanted, name


@pytest.mark.parametrize("path", built())
def test_how_many_run_and_how_they_are_replaced(path: str) -> None:
    scaled = {
        it["metadata"]["name"] for it in rendered(path) if it["kind"] == "HorizontalPodAutoscaler"
    }
    for name, it in _pods(path).items():
        spec = it["spec"]
        match it["kind"]:
            case "Deployment":
                replicas = None if name in scaled else REPLICAS[path]
                assert spec.get("replicas") == replicas, name
                rolling = {"maxSurge": 1, "maxUnavailable": 0}
                assert spec["strategy"] == {"rollingUpdate": rolling}, name
            case "StatefulSet":
                assert spec["replicas"] == (3 if name == "nats" and path in CLUSTERED else 1), name
                assert spec["podManagementPolicy"] == "Parallel", name
                (claim,) = spec["volumeClaimTemplates"]
                assert claim["spec"]["accessModes"] == ["ReadWriteOnce"], name
                assert claim["spec"]["resources"]["requests"] == {"storage": "20Gi"}, name
            case "Job":
                assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (20, 3600), name
                assert spec["template"]["spec"]["restartPolicy"] == "OnFailure", name
    for it in rendered(path):
        if it["kind"] == "PodDisruptionBudget":
            labels = {"app.kubernetes.io/name": it["metadata"]["name"]}
            assert it["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": labels}}


@pytest.mark.parametrize("path", built())
def test_a_service_leads_to_the_port_of_the_same_number(path: str) -> None:
    """All but the edge's are found by each pod's own address, so that calls are spread."""
    for it in rendered(path):
        if it["kind"] != "Service":
            continue
        name = it["metadata"]["name"]
        ports = {port["targetPort"]: port["port"] for port in it["spec"]["ports"]}
        if name == "edge":
            assert ports == {"edge": 80}
            continue
        assert it["spec"]["clusterIP"] == "None", name
        assert ports.items() <= (PORTS_OF.get(name, SERVICE_PORTS) | {"cluster": 6222}).items(), (
            name
        )


#: What is said without a secret: the same in every build.
PLACES = {
    "GRPC_ADDRESS": "0.0.0.0:50051",
    "HTTP_ADDRESS": "0.0.0.0:8080",
    "HEALTH_ADDRESS": "0.0.0.0:8081",
    "JWKS_URL": "http://directory:8080/.well-known/jwks.json",
    "DIRECTORY_ADDRESS": "directory:50051",
    "CONTACTS_ADDRESS": "contacts:50051",
    "CONVERSATIONS_ADDRESS": "conversations:50051",
    "DISPATCH_ADDRESS": "dispatch:50051",
    "NATS_STORE_DIR": "/data",
    "NATS_MONITOR_ADDRESS": "0.0.0.0:8222",
    "NATS_SYNC_INTERVAL": "always",
}
IN_KUBERNETES = PLACES | {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector.observability:4317",
    "MONGO_MEMBERS": "mongo-0.mongo:27017",
    "NATS_MAX_FILE_STORE": "16GB",
    "TRUSTED_HOPS": "0",
    "SHARDS": "4",
    "HOME": "/tmp",
}


@pytest.mark.parametrize("path", built())
def test_what_a_pod_is_told_is_these_values_and_secrets_of_its_own(path: str) -> None:
    replicas = {"NATS_REPLICAS": "3" if path in CLUSTERED else "1"}
    for name, it in _pods(path).items():
        container, *_ = it["spec"]["template"]["spec"]["containers"]
        for entry in container.get("env", ()):
            key = entry["name"]
            if "value" in entry:
                assert entry["value"] == (IN_KUBERNETES | replicas)[key], (name, key)
            elif "secretKeyRef" in entry["valueFrom"]:
                owner = "mongo" if name == "mongo-init" else name
                assert entry["valueFrom"] == {"secretKeyRef": {"name": owner, "key": key}}
            else:
                assert entry["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize("path", built())
def test_what_a_base_says_is_what_is_rendered(path: str) -> None:
    """A component is applied last: it may add to what a service says, and never change it."""
    for name in OURS:
        folder = "envoy" if name == "edge" else name
        base = yaml.safe_load((ROOT / f"k8s/base/{folder}/deployment.yaml").read_text())
        said = base["spec"]["template"]["spec"]
        got = _pods(path)[name]["spec"]["template"]["spec"]
        for before, after in zip(said["containers"], got["containers"], strict=True):
            kept = before.keys() - {"image"}
            env = [entry for entry in after.get("env", ()) if entry in before.get("env", ())]
            assert {key: before[key] for key in kept} == {
                key: env if key == "env" else after[key] for key in kept
            }, name


@pytest.mark.parametrize("path", built())
def test_every_mount_has_its_volume_and_a_place_that_is_read(path: str) -> None:
    places = {"nats": {"/data", "/etc/nats"}, "mongo": {"/data/db", "/tmp", "/data/configdb"}}
    places |= {"mongo-init": {"/etc/mongo", "/tmp"}, "edge": {"/etc/centralita"}}
    for name, it in _pods(path).items():
        pod = it["spec"]["template"]["spec"]
        claims = {claim["metadata"]["name"] for claim in it["spec"].get("volumeClaimTemplates", ())}
        volumes = {volume["name"] for volume in pod.get("volumes", ())} | claims
        for container in [pod["containers"][0], *pod.get("initContainers", ())]:
            mounts = container.get("volumeMounts", ())
            assert {mount["name"] for mount in mounts} <= volumes, name
            assert {mount["mountPath"] for mount in mounts} == places.get(name, set()), name
        for volume in pod.get("volumes", ()):
            size = {"sizeLimit": "16Mi"} if name == "edge" else {}
            assert volume.get("emptyDir", size) == size, name


@pytest.mark.parametrize("path", built())
def test_a_namespace_of_ours_lets_in_hardened_pods_only(path: str) -> None:
    for it in rendered(path):
        if it["kind"] == "Namespace":
            level = "pod-security.kubernetes.io"
            assert it["metadata"]["labels"] == {
                f"{level}/enforce": "restricted",
                f"{level}/warn": "restricted",
            }


def test_prometheus_asks_those_who_count_where_they_tell() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())
    assert config["global"] == {"scrape_interval": "15s", "evaluation_interval": "15s"}
    assert config["rule_files"] == ["/etc/prometheus/alerts.yaml"]
    asked = {
        job["job_name"]: (job.get("metrics_path", "/metrics"), job["static_configs"])
        for job in config["scrape_configs"]
    }
    assert asked == {
        "services": ("/metrics", [{"targets": ["otel-collector:8889"]}]),
        "edge": ("/metrics", [{"targets": ["edge:9902"]}]),
        "nats": ("/metrics", [{"targets": ["nats-exporter:7777"]}]),
    }
    # What services call themselves stays, where the collector speaks for all of them.
    honest = {job["job_name"] for job in config["scrape_configs"] if job.get("honor_labels")}
    assert honest == {"services"}
    assert config.keys() == {"global", "rule_files", "scrape_configs"}


def test_the_collector_takes_what_it_can_hold_and_tells_prometheus() -> None:
    """It prints that spans came, never what stands in them: that may be personal."""
    collector = yaml.safe_load((ROOT / "deploy/otel/collector.yaml").read_text())
    through = ["memory_limiter", "batch"]  # what is too much is refused before it is held
    assert collector == {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "0.0.0.0:4317"}}}},
        "processors": {
            # Of the 256 MiB of its container.
            "memory_limiter": {
                "check_interval": "1s",
                "limit_percentage": 80,
                "spike_limit_percentage": 20,
            },
            "batch": {},
        },
        "exporters": {
            "prometheus": {
                "endpoint": "0.0.0.0:8889",
                "resource_to_telemetry_conversion": {"enabled": True},  # which service counts
            },
            "debug": {
                "verbosity": "basic",
                "sampling_initial": 1,
                "sampling_thereafter": 1000,
            },
        },
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                kind: {"receivers": ["otlp"], "processors": through, "exporters": [exporter]}
                for kind, exporter in (("metrics", "prometheus"), ("traces", "debug"))
            },
        },
    }


def test_the_dashboards_are_found_and_ask_our_prometheus() -> None:
    provisioning = ROOT / "deploy/grafana/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/centralita.yaml").read_text())[
        "providers"
    ]
    assert provider["options"] == {"path": "/var/lib/grafana/dashboards"}
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert source["isDefault"] is True
    board = json.loads((ROOT / "deploy/grafana/dashboards/centralita.json").read_text())
    asked = {panel["datasource"]["uid"] for panel in board["panels"] if "datasource" in panel}
    assert asked <= {source["uid"]}
