"""What compose gives each container: what it may do, what it keeps, is told, and waits for.

Written down a second time on purpose, like tests/contract/test_shipped_values.py for Kubernetes: a
container has what its row says and nothing else, so that what is added is written here with its
reason. What runs in it is what Kubernetes runs (tests/contract/test_commands.py), and how much
memory it has is in tests/contract/test_resources.py.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import yaml

from tests.contract.test_resources import NEEDS
from tests.contract.test_shipped_values import IMAGES, JOBS, PLACES
from tests.manifests import ROOT

OURS = NEEDS.keys() - {"edge"}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DEMONSTRATION = yaml.safe_load((ROOT / "docker-compose.demo.yml").read_text())
Container: TypeAlias = dict[str, Any]

#: No program gains a right that it did not start with.
NO_MORE_RIGHTS: Container = {"security_opt": ["no-new-privileges:true"]}
SEALED: Container = NO_MORE_RIGHTS | {"read_only": True, "cap_drop": ["ALL"]}
STAYS: Container = NO_MORE_RIGHTS | {"restart": "unless-stopped"}
#: A probe of ours fails after 15 s; a start may take a minute and is noticed within a second.
PATIENT: Container = {
    "interval": "5s",
    "timeout": "3s",
    "start_period": "60s",
    "start_interval": "1s",
    "retries": 3,
}
SOON: Container = {"interval": "5s", "start_period": "30s", "start_interval": "1s"}
#: A shell of MongoDB takes seconds to start.
SLOWLY: Container = {
    "interval": "10s",
    "timeout": "10s",
    "start_period": "60s",
    "start_interval": "2s",
}
ANSWER = "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /livez HTTP/1.1\r\nHost: edge\r\n"
ANSWER += "Connection: close\r\n\r\n' >&3 && read -r answer <&3 && [[ $$answer == *200* ]]"
READY = "import urllib.request as u; u.urlopen('http://127.0.0.1:8081/readyz', timeout=2)"
#: It drains for 25 s (services/kernel/run.py) before it is killed.
SERVICE = SEALED | {
    "image": "${IMAGE:-centralita:dev}",
    "restart": "unless-stopped",
    "stop_grace_period": "30s",
    "pids_limit": 256,
    "healthcheck": PATIENT | {"test": ["CMD", "python", "-c", READY]},
}
OBSERVES: Container = {"profiles": ["observe"]}
CONTAINERS: Mapping[str, Container] = {
    **dict.fromkeys(OURS - {"directory"}, SERVICE),
    "directory": SERVICE | {"volumes": ["./deploy/seed/demo.toml:/etc/centralita/demo.toml:ro"]},
    # A job is done or tried again, and nobody asks it how it is.
    "streams": SERVICE | {"restart": "on-failure", "healthcheck": {"disable": True}},
    "mongo-init": {
        "image": IMAGES["mongo"],
        "restart": "on-failure",
        "volumes": ["./deploy/mongo:/etc/mongo:ro"],
    },
    "nats": STAYS
    | {
        "image": IMAGES["nats"],
        "read_only": True,
        "volumes": ["./deploy/nats:/etc/nats:ro", "nats:/data"],
        "healthcheck": SOON
        | {"test": ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8222/healthz"]},
    },
    # Its image begins as root, to give its volume away.
    "mongo": STAYS
    | {
        "image": IMAGES["mongo"],
        "volumes": ["mongo:/data/db"],
        "healthcheck": SLOWLY
        | {"test": ["CMD", "mongosh", "--quiet", "--eval", "db.runCommand('ping').ok || quit(1)"]},
    },
    "edge": STAYS
    | SEALED
    | {
        "image": IMAGES["edge"],
        "user": "10001:10001",
        "ports": ["127.0.0.1:${PORT:-8080}:8080"],
        "volumes": [
            "./deploy/envoy/start.sh:/etc/centralita/start.sh:ro",
            "./deploy/envoy/envoy.yaml:/etc/centralita/envoy.yaml:ro",
            "./proto/gen/centralita.binpb:/etc/centralita/centralita.binpb:ro",
        ],
        "healthcheck": SOON | {"test": ["CMD", "bash", "-c", ANSWER]},
    },
    "otel-collector": STAYS
    | SEALED
    | {
        "image": "otel/opentelemetry-collector-contrib:0.140.0",
        "mem_limit": "256m",
        "volumes": ["./deploy/otel:/etc/otel:ro"],
    },
    "nats-exporter": STAYS
    | SEALED
    | OBSERVES
    | {"image": "natsio/prometheus-nats-exporter:0.20.1", "mem_limit": "64m"},
    "prometheus": STAYS
    | OBSERVES
    | {
        "image": "prom/prometheus:v3.7.3",
        "mem_limit": "512m",
        "volumes": ["./deploy/prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
    },
    "grafana": STAYS
    | OBSERVES
    | {
        "image": "grafana/grafana:12.3.0",
        "mem_limit": "256m",
        "ports": ["127.0.0.1:3000:3000"],
        "volumes": [
            "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro",
            "./deploy/grafana/dashboards:/var/lib/grafana/dashboards:ro",
        ],
    },
}
#: Held by the other tests that the head names, or below.
ELSEWHERE = {"command", "entrypoint", "environment", "depends_on"}


def test_a_container_of_compose_has_what_its_row_says_and_nothing_else() -> None:
    """So is nothing privileged, on the network of its host, or published but the doors."""
    assert COMPOSE["services"].keys() == CONTAINERS.keys()
    for name, it in COMPOSE["services"].items():
        measured = {"mem_limit"} - CONTAINERS[name].keys()
        assert {key: it[key] for key in it.keys() - ELSEWHERE - measured} == CONTAINERS[name], name


def test_what_compose_keeps_is_kept_in_volumes_of_its_own() -> None:
    assert COMPOSE.keys() == {"name", "services", "volumes"} | {
        key for key in COMPOSE if key.startswith("x-")
    }
    assert COMPOSE["name"] == "centralita"
    assert COMPOSE["volumes"] == dict.fromkeys(("nats", "mongo", "prometheus"))


def test_compose_publishes_the_edge_and_the_dashboards_on_loopback_and_nothing_else() -> None:
    published = {port for it in COMPOSE["services"].values() for port in it.get("ports", ())}
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


#: What is said without a secret.
SAID = PLACES | {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector:4317",
    "SEED_FILE": "/etc/centralita/demo.toml",
    "MONGO_MEMBERS": "mongo:27017",
    "NATS_MAX_FILE_STORE": "${NATS_MAX_FILE_STORE:-16GB}",
    "NATS_SERVER_NAME": "nats",
    "TRUSTED_HOPS": "${TRUSTED_HOPS:-0}",
}


def _secret(name: str) -> str:
    """Return how compose writes a secret: without `make secrets` it does not start."""
    return f"${{{name}:?run make secrets}}"


def _own(service: str, key: str) -> str:
    """Return what compose tells a service under a name that is not in SAID."""
    me = service.upper().replace("-", "_")
    match key:
        case "NATS_URL":
            return f"nats://{service}:{_secret(f'NATS_{me}_PASSWORD')}@nats:4222"
        case "MONGO_URL":
            place = f"mongo:27017/{service}?replicaSet=centralita&authSource={service}"
            return f"mongodb://{service}:{_secret(f'MONGO_{me}_PASSWORD')}@{place}"
        case "SERVICE_SECRET":
            return _secret(f"{me}_SERVICE_SECRET")
    return _secret(key)


def test_what_compose_tells_is_these_values_and_secrets_of_its_own() -> None:
    for name, it in COMPOSE["services"].items():
        for key, value in it.get("environment", {}).items():
            assert value == (SAID[key] if key in SAID else _own(name, key)), (name, key)


def test_what_must_be_there_first_is_waited_for() -> None:
    done, well = "service_completed_successfully", "service_healthy"
    begun = {"streams": done, "mongo-init": done}
    stored = begun | {"directory": well}
    waits = {
        name: {other: it["condition"] for other, it in service["depends_on"].items()}
        for name, service in COMPOSE["services"].items()
        if "depends_on" in service
    }
    assert waits == {
        "streams": {"nats": well},
        "mongo-init": {"mongo": well},
        "directory": begun,
        **dict.fromkeys(("ingestion", "contacts", "conversations", "presence"), stored),
        **{key: {"streams": done, "directory": well} for key in ("dispatch", "workspace")},
        "dead-letters": {"streams": done},
        "edge": dict.fromkeys(OURS - {"dead-letters"}, well),
    }
    assert waits.keys() >= JOBS | OURS


def test_the_demonstration_adds_a_customer_and_one_permission() -> None:
    """The customer stands in the network of ingestion: its loopback is where that calls back."""
    assert {
        "services": {
            "ingestion": {"environment": {"ALLOW_PRIVATE_CALLBACKS": "true"}},
            "customer": SEALED
            | {
                "image": "${IMAGE:-centralita:dev}",
                "command": [
                    *("/examples/custom_channel.py", "--edge", "http://edge:8080"),
                    "--until-reply",
                ],
                "network_mode": "service:ingestion",
                "mem_limit": "64m",
                "volumes": ["./examples:/examples:ro"],
                "depends_on": {
                    name: {"condition": "service_healthy"} for name in ("ingestion", "edge")
                },
            },
        }
    } == DEMONSTRATION
