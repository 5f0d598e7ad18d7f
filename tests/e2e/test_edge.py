"""The edge by itself: a real Envoy with the real configuration, and stand-ins for the services."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from centralita.options.v1.options_pb2 import access
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.e2e.door import Door, eventually, opened
from tests.roles import BETWEEN_SERVICES
from tests.tokens import bearer
from tests.upstreams import NOT_FOUND, WATCH, methods, routes

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
METHODS = methods()
TENANT = "/centralita.directory.v1.DirectoryService/GetTenant"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with opened(tmp_path_factory.mktemp("edge")) as it:
        yield it


@pytest.mark.parametrize("path", sorted(METHODS.keys() - {WATCH, NOT_FOUND}))
async def test_a_method_asks_for_a_token_unless_anyone_may_call_it(door: Door, path: str) -> None:
    rule = METHODS[path].GetOptions().Extensions[access]
    door.behind.arrived.clear()

    code, reason = await door.call(path)

    if rule.anyone and path not in BETWEEN_SERVICES:
        assert (code, [arrived for arrived, _ in door.behind.arrived]) == (
            grpc.StatusCode.OK,
            [path],
        )
    else:
        assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
        assert not door.behind.arrived


@pytest.mark.parametrize("path", sorted(METHODS.keys() - {WATCH, NOT_FOUND}))
async def test_a_method_is_reached_with_a_token_unless_it_is_between_services(
    door: Door, path: str
) -> None:
    door.behind.arrived.clear()

    code, reason = await door.call(path, door.behind.token())

    if path in BETWEEN_SERVICES:
        assert (code, reason) == (grpc.StatusCode.UNIMPLEMENTED, "ROUTE_NOT_FOUND")
        assert not door.behind.arrived
    else:
        assert code is grpc.StatusCode.OK
        assert [arrived for arrived, _ in door.behind.arrived] == [path]


async def test_what_only_services_may_call_is_known_here() -> None:
    only_services = {
        path
        for path, method in METHODS.items()
        if method.GetOptions().Extensions[access].services
        and not method.GetOptions().Extensions[access].least_role
    }
    assert only_services <= BETWEEN_SERVICES <= METHODS.keys()


@pytest.mark.parametrize(("verb", "template", "method"), routes())
async def test_rest_arrives_as_the_method_it_stands_for(
    door: Door, verb: str, template: str, method: MethodDescriptor
) -> None:
    door.behind.arrived.clear()
    concrete = "/".join(
        "some" + part[part.index("}") + 1 :] if part.startswith("{") else part
        for part in template.split("/")
    )
    body = b"{}" if verb in {"POST", "PUT"} else None

    await door.ask(verb, concrete, data=body, headers=door.authorized())

    path = f"/{method.containing_service.full_name}/{method.name}"
    assert [arrived for arrived, _ in door.behind.arrived] == [path]


async def test_a_refusal_of_a_service_keeps_its_reason_in_rest(door: Door) -> None:
    status, body = await door.ask("GET", "/v1/conversations/c1", headers=door.authorized())
    assert status == 404
    assert b'"reason":"CONVERSATION_NOT_FOUND"' in body
    assert await door.call(NOT_FOUND, door.behind.token()) == (
        grpc.StatusCode.NOT_FOUND,
        "CONVERSATION_NOT_FOUND",
    )


async def test_rest_that_cannot_be_understood_is_refused_with_a_reason(door: Door) -> None:
    malformed = (400, "MALFORMED_REQUEST")
    for path, body in [
        ("signIn", b'{"tenantId":'),
        ("signIn", b'{"tenantId":{}}'),
        ("signIn", b"[]"),
    ]:
        assert await door.refusal("POST", f"/v1/session:{path}", data=body) == malformed
    for path in ("/v1/tenant?nope=1", "/v1/users?pageSize=many"):
        assert await door.refusal("GET", path, headers=door.authorized()) == malformed


async def test_what_does_not_exist_is_not_found_with_a_token_and_hidden_without(door: Door) -> None:
    for path in ("/", "/v1/nope", "/grpc.health.v1.Health/Check", "/v1/contacts:resolve"):
        assert await door.refusal("GET", path) == (401, "TOKEN_MISSING")
        assert await door.refusal("GET", path, headers=door.authorized()) == (
            404,
            "ROUTE_NOT_FOUND",
        )


async def test_webhooks_and_the_key_set_need_no_token(door: Door) -> None:
    for path in ("/channels/demo/shop/messages", "/webchat/demo/web/sessions"):
        assert (await door.ask("POST", path, data=b"{}"))[0] == 200
    status, body = await door.ask("GET", "/.well-known/jwks.json")
    assert (status, b"OKP" in body) == (200, True)


async def test_a_header_that_only_the_edge_may_set_does_not_come_through(door: Door) -> None:
    forged = {"x-jwt-payload": "e30", "x-envoy-original-path": "/x", "x-envoy-internal": "true"}
    door.behind.arrived.clear()
    await door.ask("GET", "/v1/tenant", headers={**door.authorized(), **forged})
    await door.ask("POST", "/channels/demo/shop/messages", data=b"", headers=forged)
    assert len(door.behind.arrived) == 2
    for _, headers in door.behind.arrived:
        lower = {key.lower(): value for key, value in headers.items()}
        assert lower.get("x-envoy-original-path") != "/x"
        assert not {"x-jwt-payload", "x-envoy-internal"} & lower.keys()


async def test_the_token_goes_on_to_the_service_that_verifies_it_again(door: Door) -> None:
    door.behind.arrived.clear()
    authorized = door.authorized()
    await door.ask("GET", "/v1/tenant", headers=authorized)
    assert door.behind.arrived[0][1]["authorization"] == authorized["authorization"]


async def test_a_watch_is_one_json_per_line_in_rest_and_a_stream_in_grpc(door: Door) -> None:
    _, body = await door.ask("GET", "/v1/cards:watch", headers=door.authorized())
    assert [line[:14] for line in body.splitlines()] == [b'{"position":"1', b'{"position":"2']
    watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = door.channel.unary_stream(WATCH)
    stream = watch(b"", metadata=bearer(door.behind.token()))
    assert len([message async for message in stream]) == 2


async def test_grpc_web_is_answered_in_its_own_form(door: Door) -> None:
    more: dict[str, Any] = {"data": bytes(5)}
    web = {"content-type": "application/grpc-web+proto"}
    status, body = await door.ask("POST", TENANT, headers={**web, **door.authorized()}, **more)
    assert (status, b"grpc-status:0" in body) == (200, True)
    url = f"http://{door.address}{TENANT}"
    async with door.http.post(url, headers=web, **more) as answer:
        assert answer.headers["grpc-status"] == "16"
        assert answer.headers["grpc-status-details-bin"]


async def test_only_known_origins_may_read_answers_and_webchat_decides_for_itself(
    door: Door,
) -> None:
    async def allowed(path: str, origin: str) -> str | None:
        asks = {"origin": origin, "access-control-request-method": "POST"}
        async with door.http.options(f"http://{door.address}{path}", headers=asks) as answer:
            return answer.headers.get("access-control-allow-origin")

    for path in ("/v1/session:signIn", TENANT):
        assert await allowed(path, "http://localhost:5173") == "http://localhost:5173"
        assert await allowed(path, "https://evil.example") is None
    door.behind.arrived.clear()
    assert await allowed("/webchat/demo/web/messages", "http://localhost:5173") is None
    assert [path for path, _ in door.behind.arrived] == ["/webchat/demo/web/messages"]


async def test_every_answer_forbids_to_guess_to_frame_and_to_keep(door: Door) -> None:
    for path in (
        "/v1/tenant",
        "/v1/nope",
        "/channels/demo/shop/messages",
        "/.well-known/jwks.json",
    ):
        async with door.http.get(f"http://{door.address}{path}") as answer:
            told = answer.headers
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "no-referrer"
        assert told["x-frame-options"] == "DENY"
        assert told["cache-control"] == "no-store"
        assert told["server"] == "centralita"
        assert not [name for name in told if name.lower().startswith("x-envoy")]


async def test_the_log_has_paths_and_no_query_strings(door: Door) -> None:
    await door.ask("GET", "/v1/users?pageToken=canary", headers=door.authorized())
    async with asyncio.timeout(20):
        while not {b'"/v1/users"', b'"/webchat/demo/web/events"'} <= set(
            re.findall(rb'"/[^"]*"', door.log.read_bytes())
        ):
            await door.ask("GET", "/v1/users?pageToken=canary", headers=door.authorized())
            await door.ask("GET", "/webchat/demo/web/events?after=canary")
            await asyncio.sleep(0.2)
    assert b"canary" not in door.log.read_bytes()


async def test_counters_leave_by_a_listener_that_serves_nothing_else(door: Door) -> None:
    config = json.loads((door.log.parent / "envoy.json").read_text())
    place = config["static_resources"]["listeners"][1]["address"]["socket_address"]
    base = f"http://{place['address']}:{place['port_value']}"
    async with door.http.get(f"{base}/metrics") as answer:
        text = await answer.text()
    for path in ("/", "/stats", "/config_dump", "/metrics/../config_dump"):
        async with door.http.get(f"{base}{path}") as answer:
            assert answer.status == 404
    alerts = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
    named = set(re.findall(r"\benvoy_[a-z_]+(?=\{)", alerts))
    assert named
    assert {name for name in named if f"{name}{{" not in text} == set()


async def test_a_service_that_is_away_is_said_and_makes_the_whole_unready(door: Door) -> None:
    await door.behind.states.set("", HealthCheckResponse.NOT_SERVING)
    try:
        await eventually(lambda: door.ask("GET", "/healthz"), 503)
        tenant = {"headers": door.authorized()}
        await eventually(lambda: door.ask("GET", "/v1/tenant", **tenant), 503)
        code, reason = await door.call(TENANT, door.behind.token())
        assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
        assert await door.refusal("GET", "/v1/tenant", headers=door.authorized()) == (
            503,
            "SERVICE_UNAVAILABLE",
        )
        assert (await door.ask("GET", "/livez"))[0] == 200
    finally:
        await door.behind.states.set("", HealthCheckResponse.SERVING)
    await eventually(lambda: door.ask("GET", "/healthz"), 200)
