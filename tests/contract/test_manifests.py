"""Every pod is hardened, probed and bounded, and may talk to whom it must and nobody else."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.kernel import streams
from services.kernel.wire import covers
from services.standalone.fleet import SERVICES
from services.standalone.secrets import NATS_USERS
from tests.contract.test_subscribers import SUBSCRIBERS
from tests.deployed import STRANGERS
from tests.manifests import ROOT, built, rendered

NAME = "app.kubernetes.io/name"
every_build = pytest.mark.parametrize("path", built())


def _of(path: str, *kinds: str) -> Iterator[dict[str, Any]]:
    return (it for it in rendered(path) if it["kind"] in kinds)


def _pods(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for it in _of(path, "Deployment", "StatefulSet", "Job"):
        yield it["metadata"]["name"], it["spec"]["template"]


def _selected(path: str, kind: str) -> set[str]:
    found = set()
    for it in _of(path, kind):
        spec = it["spec"].get("selector") or it["spec"].get("podSelector")
        found.add(spec.get("matchLabels", {}).get(NAME, ""))
    return found


@every_build
def test_every_pod_is_hardened(path: str) -> None:
    for name, template in _pods(path):
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["serviceAccountName"] != "default", name
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] is True, name
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name


@every_build
def test_every_server_is_probed_and_has_time_to_drain(path: str) -> None:
    for it in _of(path, "Deployment", "StatefulSet"):
        name, pod = it["metadata"]["name"], it["spec"]["template"]["spec"]
        container, *_ = pod["containers"]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]
            assert "exec" in asked or asked["httpGet"]["port"] in ports, (name, probe)
        assert pod["terminationGracePeriodSeconds"] >= 30, name


@every_build
def test_every_server_has_a_budget_an_account_and_a_policy_for_both_directions(path: str) -> None:
    servers = {it["metadata"]["name"] for it in _of(path, "Deployment", "StatefulSet")}
    assert servers <= _selected(path, "PodDisruptionBudget")
    accounts = {it["metadata"]["name"] for it in _of(path, "ServiceAccount")}
    assert {template["spec"]["serviceAccountName"] for _, template in _pods(path)} <= accounts
    both = {
        it["spec"]["podSelector"]["matchLabels"][NAME]
        for it in _of(path, "NetworkPolicy")
        if "matchLabels" in it["spec"]["podSelector"]
        and set(it["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    }
    assert {name for name, _ in _pods(path)} <= both


@every_build
def test_labels_selectors_and_services_meet(path: str) -> None:
    for name, template in _pods(path):
        assert template["metadata"]["labels"][NAME] == name
    for it in _of(path, "Service"):
        named = [t for name, t in _pods(path) if name == it["spec"]["selector"][NAME]]
        container, *_ = named[0]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in it["spec"]["ports"]} <= ports


def test_production_has_two_of_each_and_the_router_too() -> None:
    scaled = {it["metadata"]["name"]: it for it in _of("k8s/overlays/production", "Deployment")}
    autoscaled = {
        it["spec"]["scaleTargetRef"]["name"]: it["spec"]["minReplicas"]
        for it in _of("k8s/overlays/production", "HorizontalPodAutoscaler")
    }
    assert "dispatch" not in autoscaled
    for name, deployment in scaled.items():
        assert deployment["spec"].get("replicas", autoscaled.get(name)) == 2, name
    assert SERVICES.keys() <= scaled.keys()


@pytest.mark.parametrize("name", ["server.conf", "cluster.conf"])
def test_nats_understands_its_configuration(name: str, tmp_path: Path) -> None:
    done = _check_nats(ROOT / "deploy/nats" / name, tmp_path)
    assert done.returncode == 0, done.stderr


def test_nats_would_say_what_is_wrong(tmp_path: Path) -> None:
    wrong = (ROOT / "deploy/nats/server.conf").read_text().replace("max_payload", "max_pay")
    (tmp_path / "server.conf").write_text(wrong)
    accounts = (ROOT / "deploy/nats/accounts.conf").read_text()
    (tmp_path / "accounts.conf").write_text(accounts)
    assert _check_nats(tmp_path / "server.conf", tmp_path).returncode != 0


def _check_nats(config: Path, home: Path) -> subprocess.CompletedProcess[str]:
    names = {f"NATS_{user.upper().replace('-', '_')}_PASSWORD": "secret" for user in NATS_USERS}
    own = {"NATS_SERVER_NAME": "n", "NATS_SYNC_INTERVAL": "always", "NATS_STORE_DIR": str(home)}
    own["NATS_MAX_FILE_STORE"] = "16GB"
    return subprocess.run(
        [Path(sys.executable).with_name("nats-server"), "-t", "-c", config],
        env={**names, **own, "NATS_MONITOR_ADDRESS": "127.0.0.1:8222"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_nats_user_has_a_password_wherever_nats_runs() -> None:
    accounts = (ROOT / "deploy/nats/accounts.conf").read_text()
    users = set(re.findall(r"user: ([a-z-]+)", accounts))
    wanted = set(re.findall(r"\$(NATS_[A-Z_]+_PASSWORD)", accounts))
    assert users == set(NATS_USERS)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert wanted <= compose["services"]["nats"]["environment"].keys()
    (nats,) = [t for name, t in _pods("k8s/overlays/single-node") if name == "nats"]
    assert wanted <= {entry["name"] for entry in nats["spec"]["containers"][0]["env"]}


def _permissions() -> dict[str, str]:
    """Return what accounts.conf grants each user, as text."""
    text = (ROOT / "deploy/nats/accounts.conf").read_text()
    parts = re.split(r"user: ([a-z-]+),", text)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_permissions_name_streams_that_exist() -> None:
    tables = tomllib.loads((ROOT / "deploy/nats/streams.toml").read_text())
    known = set(tables["streams"]) | {f"KV_{name}" for name in tables["buckets"]}
    known |= {f"OBJ_{name}" for name in tables["objects"]}
    granted = re.findall(r"STREAM\.INFO\.([A-Za-z_-]+)|ACK\.([A-Z_]+)", str(_permissions()))
    assert {name for pair in granted for name in pair if name} <= known


@pytest.mark.parametrize(("service", "subscriber"), SUBSCRIBERS)
def test_a_service_may_use_its_consumers_and_no_pattern_of_them(
    service: str, subscriber: Any
) -> None:
    """What is missing or too much, a server tells: tests/integration/kernel/test_permissions.py."""
    durable = f"{subscriber.stream.name}.{subscriber.config.durable_name}"
    needed = {
        f"$JS.API.CONSUMER.DURABLE.CREATE.{durable}",
        f"$JS.API.CONSUMER.MSG.NEXT.{durable}",
        f"$JS.ACK.{durable}.>",
        f"$JS.ACK.*.*.{durable}.>",
        f"dead.{durable}",
    }
    assert needed <= _granted(service)
    heard = subscriber.config.filter_subject
    assert any(covers(one, heard) for one in _granted("dead-letters")), "it cannot be sent again"


@every_build
def test_the_streams_share_the_room_that_the_broker_has_and_the_volume_is_larger(path: str) -> None:
    rooms = {
        entry["value"]
        for name, template in _pods(path)
        if name in {"nats", "streams"}
        for entry in template["spec"]["containers"][0]["env"]
        if entry["name"] == "NATS_MAX_FILE_STORE"
    }
    (room,) = rooms
    bounds = [config.max_bytes or 0 for config in streams.configs(room=room)]
    assert all(bounds)
    for it in _of(path, "StatefulSet"):
        if it["metadata"]["name"] == "nats":
            (claim,) = it["spec"]["volumeClaimTemplates"]
            volume = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))
            assert sum(bounds) <= int(room.removesuffix("GB")) << 30 <= 0.8 * (volume << 30)


def test_compose_tells_broker_and_streams_the_same_room() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    rooms = [services[it]["environment"]["NATS_MAX_FILE_STORE"] for it in ("nats", "streams")]
    assert rooms == ["${NATS_MAX_FILE_STORE:-16GB}"] * 2


def _granted(user: str) -> set[str]:
    return set(re.findall(r'"([^"]+)"', _permissions()[user]))


def test_the_image_has_nothing_under_the_gpl() -> None:
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    assert "deploy/docker/requirements.lock" in dockerfile
    assert "secantusdb" not in (ROOT / "deploy/docker/requirements.lock").read_text()
    assert "services/standalone" in (ROOT / ".dockerignore").read_text().splitlines()


def test_every_compose_service_is_bounded_and_watched() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, it in services.items():
        assert it["mem_limit"], name
        once = it.get("restart") == "on-failure"
        shell_less = name in STRANGERS
        assert once or shell_less or "test" in it["healthcheck"], name
