"""deploy/envoy/envoy.yaml says what the protos and the services say."""

import base64
import re
import string
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no stubs

from services.standalone.edge import (
    ADMIN,
    CONFIG,
    DESCRIPTORS,
    LISTENER,
    METRICS,
    moved,
    rendered,
)
from services.standalone.fleet import SERVICES as ROOTS
from tests.manifests import ROOT
from tests.manifests import rendered as manifests
from tests.upstreams import ENVOY, SERVICES, methods, routes

EDGE = yaml.safe_load(CONFIG.read_text())
EVERYWHERE = {
    **{f"{name}:50051": "127.0.0.1:1" for name in SERVICES},
    **{f"{name}:8080": "127.0.0.1:2" for name in ("directory", "ingestion")},
    **dict.fromkeys((LISTENER, METRICS, ADMIN), "127.0.0.1:3"),
}
#: Called by services alone: the edge does not know it.
INSIDE = {"centralita.dispatch.v1.RemovalService"}
#: Made to be called by connectors over gRPC only; everything else is called by people.
WITHOUT_REST = {"centralita.ingestion.v1.IngestionService", *INSIDE}


def _all(config: Any, key: str) -> Iterator[Any]:
    """Every value of a key, wherever it is."""
    match config:
        case dict():
            if key in config:
                yield config[key]
            for value in config.values():
                yield from _all(value, key)
        case list():
            for value in config:
                yield from _all(value, key)


def _filter(name: str) -> Any:
    (found,) = [
        item["typed_config"]
        for filters in _all(EDGE, "http_filters")
        for item in filters
        if item["name"] == f"envoy.filters.http.{name}" and "typed_config" in item
    ][:1]
    return found


def _manager() -> Any:
    return EDGE["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]


def _routes() -> list[Any]:
    (host,) = _manager()["route_config"]["virtual_hosts"]
    routes: list[Any] = host["routes"]
    return routes


def test_every_grpc_service_has_a_route_to_its_own_cluster() -> None:
    routed = {
        route["match"]["prefix"].strip("/"): route["route"]["cluster"]
        for route in _routes()
        if route["match"].get("prefix", "").startswith("/centralita.")
    }
    assert routed == {
        name: name.split(".")[1] for name in {path.split("/")[1] for path in methods()} - INSIDE
    }


def test_every_service_is_transcoded_but_those_without_rest() -> None:
    services = {path.split("/")[1] for path in methods()}
    assert set(_filter("grpc_json_transcoder")["services"]) == services - WITHOUT_REST


def test_every_route_leads_to_a_cluster_that_exists_but_the_one_to_nowhere() -> None:
    clusters = {cluster["name"] for cluster in EDGE["static_resources"]["clusters"]}
    assert set(_all(_routes(), "cluster")) - clusters == {"nowhere"}


def test_healthz_waits_for_every_cluster_of_a_service() -> None:
    (awaited,) = _all(EDGE, "cluster_min_healthy_percentages")
    clusters = {cluster["name"]: cluster for cluster in EDGE["static_resources"]["clusters"]}
    assert awaited.keys() == clusters.keys() - {"admin"}
    assert all("health_checks" in clusters[name] for name in awaited)


def test_what_the_door_lets_in_is_not_held_up_behind_it() -> None:
    (door,) = _all(EDGE, "max_active_downstream_connections")
    assert door == 20_000
    bounds = {"max_connections", "max_pending_requests", "max_requests"}
    for cluster in EDGE["static_resources"]["clusters"]:
        if cluster["name"] != "admin":
            assert cluster["circuit_breakers"]["thresholds"] == [dict.fromkeys(bounds, door)]


def test_the_whole_edge_takes_10000_requests_a_second_and_one_address_a_twentieth() -> None:
    limits = _filter("local_ratelimit")
    assert limits["token_bucket"] == {
        "max_tokens": 20_000,
        "tokens_per_fill": 500,
        "fill_interval": "0.05s",
    }
    of_one = [each["token_bucket"]["max_tokens"] for each in limits["descriptors"]]
    assert max(of_one) <= 20_000 / 10, "one address never empties what is everybody's"


def test_every_server_stream_has_no_deadline_of_the_edge() -> None:
    unending = {
        route["match"]["path"]
        for route in _routes()
        if "path" in route["match"] and route.get("route", {}).get("timeout") == "0s"
    }
    assert unending == {path for path, method in methods().items() if method.server_streaming}


def test_the_admin_interface_listens_on_loopback_only() -> None:
    assert EDGE["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


def test_the_edge_believes_the_issuer_that_the_services_believe() -> None:
    (provider,) = _filter("jwt_authn")["providers"].values()
    for name, module in ROOTS.items():
        defaults = {field.name: field.default for field in fields(module.Settings)}
        assert provider["issuer"] == defaults["issuer"], name
        assert provider["audiences"] == [defaults.get("audience", "centralita")], name


def _ours(field: FieldDescriptor) -> Descriptor | None:
    """Return the message that a field holds, if it is one of ours."""
    inner: Descriptor | None = field.message_type
    return inner if inner is not None and inner.full_name.startswith("centralita.") else None


def _members(message: Descriptor) -> str:
    """Write a message as the edge's tables have it."""
    return " ".join(
        field.json_name if (inner := _ours(field)) is None else f"{field.json_name}:{inner.name}"
        for field in message.fields
    )


def _within(message: Descriptor) -> Iterator[Descriptor]:
    for field in message.fields:
        if (inner := _ours(field)) is not None:
            yield inner
            yield from _within(inner)


def _table(name: str, rows: dict[str, str]) -> str:
    lines = [f'  ["{key}"] = "{row}",' for key, row in sorted(rows.items())]
    return "\n".join([f"local {name} = {{", *lines, "}"])


def test_the_edge_knows_the_members_of_every_body() -> None:
    """What it does not know it refuses: print what should stand there when a field is added."""
    bodies: dict[str, str] = {}
    messages: dict[str, str] = {}
    for verb, template, method in routes():
        if verb in {"PUT", "POST"}:
            route = re.sub(r"\{[^}]+\}", "*", template)
            bodies[f"{verb} {route}"] = _members(method.input_type)
            for inner in _within(method.input_type):
                known = messages.setdefault(inner.name, _members(inner))
                assert known == _members(inner), f"two messages are called {inner.name}"
    script = _filter("lua")["default_source_code"]["inline_string"]
    for name, rows in (("bodies", bodies), ("messages", messages)):
        assert _table(name, rows) in script, _table(name, rows)


def _native_errors() -> list[tuple[str, str, str]]:
    mappers = _manager()["local_reply_config"]["mappers"]
    texts = {m["body"]["inline_string"]: m for m in mappers if "body" in m}
    spoken = [m["body_format_override"]["json_format"] for m in mappers if "body" not in m]
    flat = [said for said in spoken if "details" not in said]
    # The members of bodies are judged in REST alone.
    spoken = [said for said in spoken if "details" in said and said["reason"] != "FIELD_UNKNOWN"]
    same = {(said["reason"], said["message"]) for said in spoken}
    assert {(said["reason"], said["message"]) for said in flat} <= same, "webhooks differ"
    assert [said["message"] for said in spoken] == list(texts), "gRPC and REST differ"
    return [
        (said["reason"], said["message"], header["header"]["value"])
        for said in spoken
        for header in texts[said["message"]]["headers_to_add"]
        if header["header"]["key"] == "grpc-status-details-bin"
    ]


@pytest.mark.parametrize(("reason", "message", "header"), _native_errors())
def test_an_error_of_the_edge_says_the_same_in_grpc_as_in_rest(
    reason: str, message: str, header: str
) -> None:
    status = Status.FromString(base64.b64decode(header + "=" * (-len(header) % 4)))
    info = ErrorInfo()
    expected = Status(code=status.code, message=message)
    expected.details.add().Pack(ErrorInfo(reason=reason, domain="centralita.edge"))
    right = base64.b64encode(expected.SerializeToString()).decode().rstrip("=")
    assert status.details[0].Unpack(info)
    assert header == right
    assert re.fullmatch(r"[A-Z_]+", reason)
    assert message.endswith(".")
    assert set(message) <= set(string.printable)


def test_an_error_of_the_edge_has_the_code_of_its_details_in_grpc() -> None:
    for mapper in _manager()["local_reply_config"]["mappers"]:
        told = {
            added["header"]["key"]: added["header"]["value"]
            for added in mapper.get("headers_to_add", [])
        }
        if details := told.get("grpc-status-details-bin"):
            status = Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
            assert told["grpc-status"] == str(status.code)


def _started(tmp_path: Path, envoy: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Start the edge as containers do, with `envoy` for what is found under that name."""
    (tmp_path / "envoy").symlink_to(envoy)
    config = tmp_path / "envoy.yaml"
    config.write_text(CONFIG.read_text().replace("/etc/centralita", str(DESCRIPTORS.parent)))
    return subprocess.run(
        ["/bin/bash", CONFIG.with_name("start.sh"), config, "--mode", "validate"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("told", "hops"), [({}, 0), ({"TRUSTED_HOPS": "2"}, 2)])
def test_an_installation_tells_the_edge_how_many_proxies_it_trusts(
    tmp_path: Path, told: dict[str, str], hops: int
) -> None:
    started = _started(tmp_path, Path("/bin/echo"), **told)
    given = yaml.safe_load(started.stdout.removeprefix("--config-yaml").rpartition("--mode")[0])
    assert list(_all(given, "xff_num_trusted_hops")) == [hops]
    (default,) = _all(EDGE, "xff_num_trusted_hops")
    assert default == 0


def test_envoy_takes_what_it_is_started_with(tmp_path: Path) -> None:
    started = _started(tmp_path, ENVOY, TRUSTED_HOPS="1")
    assert started.returncode == 0, started.stderr


@pytest.mark.parametrize("nonsense", ["one", "10", "-1", "1/e;s/.*/"])
def test_the_edge_does_not_start_with_a_number_of_proxies_that_is_none(
    tmp_path: Path, nonsense: str
) -> None:
    started = _started(tmp_path, ENVOY, TRUSTED_HOPS=nonsense)
    assert started.returncode == 64
    assert "TRUSTED_HOPS" in started.stderr


def test_every_installation_can_say_how_many_proxies_it_has() -> None:
    (edge,) = (
        it["spec"]["template"]["spec"]["containers"][0]
        for it in manifests("k8s/overlays/production")
        if (it["kind"], it["metadata"]["name"]) == ("Deployment", "edge")
    )
    assert edge["env"] == [{"name": "TRUSTED_HOPS", "value": "0"}]
    assert edge["command"] == ["bash", "/etc/centralita/start.sh"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["edge"]
    assert compose["environment"] == {"TRUSTED_HOPS": "${TRUSTED_HOPS:-0}"}
    assert compose["entrypoint"] == ["bash", "/etc/centralita/start.sh"]


def test_moving_forgets_no_address() -> None:
    assert "directory" not in {
        place["address"] for place in _all(moved(EDGE, EVERYWHERE), "socket_address")
    }
    with pytest.raises(KeyError):
        rendered({key: value for key, value in EVERYWHERE.items() if key != "dispatch:50051"})
