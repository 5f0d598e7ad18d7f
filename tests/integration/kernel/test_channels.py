"""A call to another service is bounded, repeated where that is safe, and carries our name."""

# ruff: noqa: N802 - gRPC names its methods so

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from centralita.contacts.v1 import contacts_service_pb2 as contacts
from centralita.contacts.v1 import contacts_service_pb2_grpc as contacts_grpc
from centralita.directory.v1 import session_service_pb2 as session
from centralita.directory.v1 import session_service_pb2_grpc as session_grpc
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from grpc.aio import AioRpcError
from opentelemetry import trace

from services.kernel.asking import repeatable
from services.kernel.channels import ServiceToken, channel
from services.kernel.identity import caller
from services.kernel.serve import Exposed, serving
from services.kernel.telemetry import telemetry, traceparent
from tests.tokens import Issuer

ROOT = Issuer()
RESOLVE = contacts.ResolveContactRequest()


class Session(session_grpc.SessionServiceServicer):
    """Issues tokens; `refuses` holds secrets that are wrong."""

    def __init__(self) -> None:
        self.asked = 0
        self.life = 900
        self.wrong = False
        self.down = False

    async def IssueServiceToken(self, request: Any, context: Any) -> Any:
        self.asked += 1
        if self.down:
            raise ConnectionRefusedError
        if self.wrong:
            await context.abort(StatusCode.UNAUTHENTICATED, "no")
        issuer = Issuer(kid="unknown") if self.asked == 0 else ROOT
        token = issuer.service(request.service, n=self.asked)
        return session.IssueServiceTokenResponse(
            access_token=token, expires_in=Duration(seconds=self.life)
        )

    async def SignIn(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def RefreshSession(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def SignOut(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


class Contacts(contacts_grpc.ContactsServiceServicer):
    def __init__(self) -> None:
        self.asked = 0
        self.failures = 0
        self.hangs = False
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.traced: str | None = None

    async def ResolveContact(self, request: Any, context: Any) -> Any:
        self.asked += 1
        self.traced = traceparent()
        if self.hangs:
            self.began.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()
        if self.asked <= self.failures:
            raise ConnectionRefusedError
        return contacts.ResolveContactResponse(contact_id=caller().service)

    async def GetContact(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def BatchGetContacts(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


class World:
    def __init__(self) -> None:
        self.session = Session()
        self.contacts = Contacts()
        self.now = 0.0

    @asynccontextmanager
    async def up(self) -> AsyncIterator[tuple[Any, ServiceToken]]:
        exposed: list[Exposed[Any]] = [
            Exposed(contacts_grpc.add_ContactsServiceServicer_to_server, self.contacts),
            Exposed(session_grpc.add_SessionServiceServicer_to_server, self.session),
        ]
        async with serving("127.0.0.1:0", exposed, guard=ROOT.guard(), codes={}) as address:
            token = ServiceToken(address, "conversations", "sesame", now=lambda: self.now)
            async with channel(address, token=token) as opened:
                yield contacts_grpc.ContactsServiceStub(opened), token


async def test_a_call_carries_the_token_of_its_service() -> None:
    world = World()
    async with world.up() as (stub, _):
        answers = await asyncio.gather(*(stub.ResolveContact(RESOLVE) for _ in range(10)))
    assert {answer.contact_id for answer in answers} == {"conversations"}
    assert world.session.asked == 1


async def test_a_token_is_renewed_when_four_fifths_of_its_life_are_over() -> None:
    world = World()
    async with world.up() as (_, token):
        first = await token.get()
        world.now = 719
        assert await token.get() == first
        world.now = 721
        assert await token.get() != first
        assert world.session.asked == 2


async def test_a_token_that_lives_outlasts_the_directory() -> None:
    world = World()
    async with world.up() as (_, token):
        first = await token.get()
        world.session.down = True
        world.now = 800
        assert await token.get() == first
        world.now = 901
        with pytest.raises(AioRpcError) as caught:
            await token.get()
        assert caught.value.code() is StatusCode.UNAVAILABLE


async def test_a_refused_token_is_replaced_once() -> None:
    world = World()
    world.session.asked = -1
    async with world.up() as (stub, _):
        answer = await stub.ResolveContact(RESOLVE)
        assert answer.contact_id == "conversations"
        assert world.session.asked == 1


async def test_a_wrong_secret_is_not_asked_for_ever() -> None:
    world = World()
    world.session.wrong = True
    async with world.up() as (stub, _):
        with pytest.raises(AioRpcError) as caught:
            await stub.ResolveContact(RESOLVE)
    assert caught.value.code() is StatusCode.UNAUTHENTICATED
    assert world.session.asked == 1


async def test_an_outage_is_waited_out_where_repeating_is_safe() -> None:
    world = World()
    world.contacts.failures = 2
    async with world.up() as (stub, _):
        assert (await stub.ResolveContact(RESOLVE)).contact_id == "conversations"
    assert world.contacts.asked == 3


async def test_a_long_outage_is_told_after_four_tries() -> None:
    world = World()
    world.contacts.failures = 99
    async with world.up() as (stub, _):
        with pytest.raises(AioRpcError) as caught:
            await stub.ResolveContact(RESOLVE)
    assert caught.value.code() is StatusCode.UNAVAILABLE
    assert world.contacts.asked == 4


async def test_a_call_has_a_deadline_though_none_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kernel.asking.DEADLINE", 0.3)
    world = World()
    world.contacts.hangs = True
    async with world.up() as (stub, _):
        with pytest.raises(AioRpcError) as caught:
            await stub.ResolveContact(RESOLVE)
    assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED


async def test_who_stops_waiting_stops_the_other_side_too() -> None:
    world = World()
    world.contacts.hangs = True
    async with world.up() as (stub, _):
        waiting = asyncio.create_task(_resolved(stub))
        await asyncio.wait_for(world.contacts.began.wait(), 5)
        waiting.cancel()
        await asyncio.wait_for(world.contacts.ended.wait(), 2)


async def _resolved(stub: Any) -> Any:
    return await stub.ResolveContact(RESOLVE)


async def test_a_trace_goes_on_in_the_service_that_is_called() -> None:
    world = World()
    async with telemetry("test", {}), world.up() as (stub, _):
        with trace.get_tracer("test").start_as_current_span("outer") as span:
            await stub.ResolveContact(RESOLVE)
    assert world.contacts.traced is not None
    assert f"{span.get_span_context().trace_id:032x}" in world.contacts.traced


async def test_nobody_at_home_is_unavailable_at_once() -> None:
    async with channel("127.0.0.1:1") as opened:
        with pytest.raises(grpc.RpcError) as caught:
            await contacts_grpc.ContactsServiceStub(opened).ResolveContact(RESOLVE)
    assert caught.value.code() is StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("centralita.contacts.v1.ContactsService/GetContact", True),
        ("centralita.contacts.v1.ContactsService/ResolveContact", True),
        ("centralita.directory.v1.SessionService/SignIn", False),
        ("centralita.directory.v1.SessionService/RefreshSession", False),
        ("nobody.knows/It", False),
    ],
)
def test_only_what_is_safe_to_repeat_is_repeated(name: str, expected: bool) -> None:  # noqa: FBT001 - an example
    assert repeatable(name) is expected
