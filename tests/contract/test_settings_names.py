"""Compose and Kubernetes tell each process what its settings ask for, by the right name."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.kernel.dead_letters import Settings as DeadLettersSettings
from services.standalone.fleet import SERVICES
from tests.manifests import ROOT, rendered

#: Read by the libraries of telemetry, in every process alike.
EVERYWHERE = {"OTEL_EXPORTER_OTLP_ENDPOINT"}
#: What is right on one machine only: an installation must say it.
PLACES = {"GRPC_ADDRESS", "HTTP_ADDRESS", "HEALTH_ADDRESS", "JWKS_URL"}
#: What services have in common comes first, in this order.
COMMON = (
    "nats_url",
    "mongo_url",
    "mongo_database",
    "grpc_address",
    "http_address",
    "health_address",
    "jwks_url",
    "issuer",
    "audience",
    "event_loop",
)
#: What only one kind of service has: an API of HTTP, or a database of its own.
SOME = {"mongo_url", "mongo_database", "http_address"}
#: Empty means our own keys; another issuer is a choice of the installation.
UNSAID = {("directory", "JWKS_URL")}

SETTINGS: Mapping[str, Any] = {
    **{name: module.Settings for name, module in SERVICES.items()},
    "dead-letters": DeadLettersSettings,
}


def _compose(name: str) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][
        name
    ]["environment"]
    return found


def _kubernetes(name: str) -> dict[str, Any]:
    (deployment,) = [
        it
        for it in rendered("k8s/overlays/production")
        if (it["kind"], it["metadata"]["name"]) == ("Deployment", name)
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry for entry in container["env"]}


WAYS = {"compose": _compose, "kubernetes": _kubernetes}


@pytest.mark.parametrize("name", SERVICES)
def test_what_services_have_in_common_comes_first_in_one_order(name: str) -> None:
    known = [field.name for field in fields(SETTINGS[name])]
    common = [one for one in COMMON if one in known]
    assert known[: len(common)] == common
    assert set(COMMON) - set(common) <= SOME


def test_what_two_services_can_be_told_means_the_same_to_both() -> None:
    told: dict[str, dict[str, Any]] = {}
    for name in SERVICES:
        for field in fields(SETTINGS[name]):
            if field.name == "mongo_database":
                assert field.default == name
            elif (name, field.name.upper()) not in UNSAID:
                told.setdefault(field.name, {})[name] = (field.type, field.default, field.repr)
    assert not {name: kinds for name, kinds in told.items() if len(set(kinds.values())) > 1}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SETTINGS)
def test_every_name_is_a_setting_and_every_setting_that_must_be_said_is_said(
    name: str, way: str
) -> None:
    said = WAYS[way](name).keys() - EVERYWHERE
    known = {field.name.upper(): field for field in fields(SETTINGS[name])}
    needed = {
        variable
        for variable, field in known.items()
        if (field.default is MISSING and field.default_factory is MISSING) or variable in PLACES
    }
    assert said <= known.keys()
    assert needed - {variable for one, variable in UNSAID if one == name} <= said


@pytest.mark.parametrize("way", WAYS)
def test_services_that_call_others_have_a_secret_and_say_where_they_are(way: str) -> None:
    for name, kind in SETTINGS.items():
        known = {field.name.upper() for field in fields(kind)}
        asked = {v for v in known if v == "SERVICE_SECRET" or v.endswith("_ADDRESS")} - PLACES
        assert asked <= WAYS[way](name).keys(), name


def test_no_secret_has_a_value_in_a_manifest() -> None:
    for name, kind in SETTINGS.items():
        secret = {field.name.upper() for field in fields(kind) if not field.repr}
        for variable in secret & _kubernetes(name).keys():
            assert "valueFrom" in _kubernetes(name)[variable], (name, variable)
        for variable in secret & _compose(name).keys():
            assert ":?run make secrets}" in _compose(name)[variable], (name, variable)


def test_every_service_with_a_root_is_started_everywhere() -> None:
    roots = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}
    assert roots - {"standalone"} == set(SERVICES)
    assert all(import_module(f"services.{name}.settings").Settings for name in SERVICES)


def test_what_compose_asks_for_is_what_make_secrets_makes(tmp_path: Path) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = {part.split(":?")[0] for part in text.split("${")[1:] if ":?" in part.split("}")[0]}
    program = import_module("deploy.make_secrets")
    lines = dict(line.split("=", 1) for line in program.compose())
    assert lines.keys() == asked
    (tmp_path / ".env").write_text("\n".join(lines))
