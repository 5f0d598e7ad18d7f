"""Nothing that is sent, by nobody or by anybody, makes a service fail: it refuses, and says why."""

import asyncio
import re
from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Any, TypeAlias
from urllib.parse import quote

import grpc
import pytest
from centralita.contacts.v1 import contacts_service_pb2 as contacts
from centralita.dispatch.v1.dispatch_service_pb2 import MoveTasksRequest, SetQueueModeRequest
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from centralita.ingestion.v1.resources_pb2 import InboundMessage
from centralita.options.v1.options_pb2 import access
from centralita.presence.v1.presence_service_pb2 import SetChannelsRequest
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceStub
from google.protobuf.descriptor import MethodDescriptor
from yarl import URL

from tests.e2e.installation import Installation
from tests.e2e.people import PASSWORD, TENANT, refusal, sign
from tests.e2e.standalone import Standalone, started
from tests.fuzz import CALLERS, COSTLY, SEED, tried
from tests.hostile import Known, bodies
from tests.servicers import ANA, Contacts, served
from tests.upstreams import SERVICES, methods, routes

Asked: TypeAlias = "tuple[str, str, bytes, dict[str, str]]"
"""Verb, path, body and headers."""

WRONG = grpc.StatusCode.INVALID_ARGUMENT
FROM_A_PATH = ("a", "%00", "%C3%28", "..%2F", "%F0%9F%98%80", "*", "a" * 5_000)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"authorization": "Bearer \xff\xfe"},
    {"authorization": "Bearer"},
    {"authorization": "Bearer " + "W1tb" * 3_000},
    {"authorization": "Basic a:b"},
    {"content-type": "application/grpc-web+proto"},
    {"content-type": "text/plain; charset=nonsense"},
    {"content-encoding": "gzip"},
    {"transfer-encoding": "chunked"},
    {"traceparent": "00-\xff", "tracestate": "="},
    {"centralita-signature": "t=99999999999999999999,v1=\xfc"},
    {"last-event-id": "9" * 5_000},
    {"origin": "\ud7ff".encode().decode("latin-1")},
    {"x-forwarded-for": "a, ::1%\xff"},
)
SHOP, SHOP_SECRET = "shop", "demo-shop-secret-0123456789"
KNOWN: Known = {
    "tenant_id": TENANT,
    "user_id": "ben",
    "agent_id": "ana",
    "assignee_id": "ana",
    "queue_id": "support",
    "target_queue_id": "sales",
    "channel_account_id": "website",
    "request_id": "r-1",
    "time_zone": "Europe/Madrid",
    "first_day": "2026-11-01",
    "date": "2026-12-24",
    "day": "2026-12-24",
    "email": "ben@demo.example",
    "password": PASSWORD,
    "callback_url": "https://example.com/replies",
    "allowed_origin": "https://example.com",
    "page_token": "",
}


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """One of its own: what is sent also changes and removes what is there."""
    with started(tmp_path_factory.mktemp("hostile")) as it:
        yield it


def _able(method: MethodDescriptor) -> str:
    """Return whom the fuzz lets in: nobody where anyone may, else the owner or a service.

    Nobody either where only services may of which no token is to be had: `of_other_services`.
    """
    rule = method.GetOptions().Extensions[access]
    if rule.anyone:
        return ""
    return "owner" if rule.least_role else next((it for it in CALLERS if it in rule.services), "")


@pytest.mark.parametrize("service", SERVICES)
async def test_no_request_makes_a_method_fail(installation: Installation, service: str) -> None:
    failures, total = [], 0
    theirs = {path: it for path, it in methods().items() if path.split(".")[1] == service}
    # What removes things comes last.
    for path, method in sorted(theirs.items(), key=lambda it: ("Delete" in it[0], it[0])):
        able = _able(method)
        for who in ("", "agent", "owner", *CALLERS):
            sent, failed = await tried(
                installation.services[service],
                path,
                method,
                KNOWN,
                installation.as_whom(who),
                1_000 if who == able else 3,
            )
            total += sent
            failures += failed
    assert not failures
    assert total > 50 * len(theirs)


async def test_no_request_makes_a_route_fail(installation: Installation) -> None:
    asked = [it for route in routes() for it in _rest(*route)] + list(_webhooks())
    owner = dict(installation.as_whom("owner"))
    turns, statuses = asyncio.Semaphore(8), set[int]()

    async def one(verb: str, path: str, body: bytes, headers: dict[str, str]) -> str:
        url = URL(installation.edge + path, encoded=True)
        told = {**owner, **headers}
        async with (
            turns,
            installation.http.request(verb, url, data=BytesIO(body), headers=told) as answer,
        ):
            statuses.add(answer.status)
            failed = answer.status in {500, 502, 503}
            return f"{verb} {path[:200]} {answer.status} for {body[:200]!r}" if failed else ""

    assert not [it for it in await asyncio.gather(*(one(*it) for it in asked)) if it]
    assert len(asked) > 1_000
    assert {200, 202, 400, 401, 404, 415} <= statuses, "it comes past the door"


def _rest(verb: str, template: str, method: MethodDescriptor) -> Iterator[Asked]:
    chance = Random(f"{SEED}{verb}{template}")
    path = re.sub(r"\{(\w+)\}", lambda it: KNOWN.get(it[1], "x"), template)
    sent = list(bodies(method.input_type, KNOWN))
    most = COSTLY.get(method.name, 12)
    for body in (*chance.sample(sent, min(most, len(sent))), b"[" * 5_000, b'{"\\ud800": 1}'):
        yield verb, path, body, {"content-type": "application/json"}
    for name in [field.name for field in method.input_type.fields]:
        value = quote(chance.choice(["", "-1", "1e999", "\0", "nan", "9" * 400, "\xfc"]))
        yield verb, f"{path}?{name}={value}&{name}.a={value}", b"", {}
    if "{" in template:
        for odd in FROM_A_PATH:
            yield verb, re.sub(r"\{\w+\}", odd, template), b"{}", {}
    for headers in chance.sample(HEADERS, 3):
        yield verb, path, b"{}", headers


def _webhooks() -> Iterator[Asked]:
    for what in ("messages", "statuses", "wait", "refusals"):
        for body in bodies(InboundMessage.DESCRIPTOR, KNOWN):
            signed = {"centralita-signature": sign(SHOP_SECRET, body)}
            yield "POST", f"/channels/{TENANT}/{SHOP}/{what}", body, signed
        for headers in HEADERS:
            yield "POST", f"/channels/{TENANT}/{SHOP}/{what}", b"{}", headers
    for verb, what in (("POST", "sessions"), ("POST", "messages"), ("GET", "messages")):
        for headers in HEADERS:
            yield verb, f"/webchat/{TENANT}/web/{what}?after={'9' * 40}", b'{"text":1}', headers
    for odd in FROM_A_PATH:
        yield "POST", f"/channels/{odd}/{odd}/messages", b"{}", {}
        yield "GET", f"/webchat/{odd}/{odd}/wait", b"", {}


async def test_a_planted_bug_is_found() -> None:
    """A servicer that does arithmetic on what it is sent, as ours did."""
    planted = Contacts()

    async def convert(request: contacts.GetContactRequest, _: Any) -> contacts.GetContactResponse:
        int(request.contact_id.encode("ascii") or 0)
        return contacts.GetContactResponse()

    planted.does = convert
    path = "/centralita.contacts.v1.ContactsService/GetContact"
    async with served(planted) as service:
        _, failures = await tried(service.channel, path, methods()[path], KNOWN, ANA)
    assert any("INTERNAL" in it for it in failures)


async def test_what_no_list_has_and_what_is_too_much_is_refused_by_name(
    installation: Installation,
) -> None:
    me = installation.as_whom("owner")
    router = DispatchServiceStub(installation.services["dispatch"])
    presences = PresenceServiceStub(installation.services["presence"])
    unknown: Any = 99
    mode = SetQueueModeRequest(queue_id="support", request_id="r-1", mode=unknown)
    move = MoveTasksRequest(
        queue_id="support", target_queue_id="sales", request_id="r-1", task_ids=["t"] * 1_001
    )
    channels = SetChannelsRequest(channels=[unknown])
    assert await refusal(router.SetQueueMode(mode, metadata=me)) == (WRONG, "QUEUE_MODE_INVALID")
    assert await refusal(router.MoveTasks(move, metadata=me)) == (WRONG, "TOO_MANY_TASKS")
    assert await refusal(presences.SetChannels(channels, metadata=me)) == (WRONG, "CHANNEL_INVALID")
