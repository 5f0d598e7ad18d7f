"""A served method is admitted, bounded and answered alike, on a real gRPC connection."""

# ruff: noqa: N802 - gRPC names its methods so

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import grpc
import pytest
from centralita.contacts.v1 import contacts_service_pb2 as contacts
from centralita.contacts.v1 import contacts_service_pb2_grpc as contacts_grpc
from centralita.directory.v1 import session_service_pb2 as session
from centralita.directory.v1 import session_service_pb2_grpc as session_grpc
from centralita.options.v1.options_pb2 import Role
from centralita.workspace.v1 import workspace_service_pb2 as workspace
from centralita.workspace.v1 import workspace_service_pb2_grpc as workspace_grpc
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped, unused-ignore]  # no stubs
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from services.kernel.answers import reason_of
from services.kernel.identity import caller
from services.kernel.serve import Exposed, serving
from tests.tokens import Issuer, bearer

ISSUER = Issuer()
ANA = bearer(ISSUER.user("acme", "ana", "agent"))


class NoSuchContact(Exception):
    reason: ClassVar[str] = "CONTACT_NOT_FOUND"

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details: Mapping[str, str] = details


class Contacts(contacts_grpc.ContactsServiceServicer):
    def __init__(self) -> None:
        self.does: Callable[[Any, Any], Awaitable[Any]] | None = None

    async def GetContact(self, request: Any, context: Any) -> Any:
        if self.does is not None:
            return await self.does(request, context)
        who = caller()
        response = contacts.GetContactResponse()
        response.contact.contact_id = f"{who.tenant_id}/{who.user_id}/{who.role}"
        return response

    async def BatchGetContacts(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def ResolveContact(self, request: Any, context: Any) -> contacts.ResolveContactResponse:
        return contacts.ResolveContactResponse(contact_id=caller().service)


class Workspace(workspace_grpc.WorkspaceServiceServicer):
    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.ended = asyncio.Event()
        self.size = 0

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[workspace.WatchResponse]:
        try:
            first = workspace.WatchResponse()
            first.removed_conversation_id = caller().user_id
            yield first
            if self.fails:
                raise self.fails
            while True:
                await asyncio.sleep(0.005)
                yield workspace.WatchResponse(removed_conversation_id="x" * self.size)
        finally:
            self.ended.set()

    async def ListCards(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


class Session(session_grpc.SessionServiceServicer):
    async def SignIn(self, request: Any, context: Any) -> session.SignInResponse:
        return session.SignInResponse(user_id="anyone")

    async def RefreshSession(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def SignOut(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def IssueServiceToken(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


class Served:
    """A server with three servicers, and stubs that reach it."""

    def __init__(self, address: str, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.channel = channel
        self.session = session_grpc.SessionServiceStub(channel)
        self.contacts = contacts_grpc.ContactsServiceStub(channel)
        self.workspace = workspace_grpc.WorkspaceServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)


@asynccontextmanager
async def served(
    its_contacts: Contacts | None = None, its_workspace: Workspace | None = None, grace: float = 5.0
) -> AsyncIterator[Served]:
    exposed: list[Exposed[Any]] = [
        Exposed(contacts_grpc.add_ContactsServiceServicer_to_server, its_contacts or Contacts()),
        Exposed(
            workspace_grpc.add_WorkspaceServiceServicer_to_server, its_workspace or Workspace()
        ),
        Exposed(session_grpc.add_SessionServiceServicer_to_server, Session()),
    ]
    async with (
        serving(
            "127.0.0.1:0",
            exposed,
            guard=ISSUER.guard(),
            codes={NoSuchContact: StatusCode.NOT_FOUND},
            grace=grace,
        ) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield Served(address, channel)


async def refused(call: Any) -> tuple[StatusCode, ErrorInfo]:
    """Wait for the refusal of a call; return its code and its one ErrorInfo."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]  # it has what is read
    assert status is not None
    assert len(status.details) == 1
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert reason_of(caught.value) == info.reason
    assert info.domain == "centralita.contacts"
    return caught.value.code(), info


async def test_a_user_is_known_to_the_method_by_the_token_alone() -> None:
    async with served() as it:
        response = await it.contacts.GetContact(contacts.GetContactRequest(), metadata=ANA)
    assert response.contact.contact_id == f"acme/ana/{Role.ROLE_AGENT}"


async def test_a_call_without_a_token_is_refused() -> None:
    async with served() as it:
        code, info = await refused(it.contacts.GetContact(contacts.GetContactRequest()))
    assert (code, info.reason) == (StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")


async def test_anyone_may_call_what_is_open() -> None:
    async with served() as it:
        response = await it.session.SignIn(session.SignInRequest())
    assert response.user_id == "anyone"


async def test_a_user_may_not_call_what_is_for_services() -> None:
    owner = bearer(ISSUER.user(role="owner"))
    async with served() as it:
        code, info = await refused(
            it.contacts.ResolveContact(contacts.ResolveContactRequest(), metadata=owner)
        )
    assert (code, info.reason) == (StatusCode.PERMISSION_DENIED, "SERVICE_NOT_ALLOWED")


async def test_only_the_named_service_may_call_what_is_for_services() -> None:
    request = contacts.ResolveContactRequest()
    async with served() as it:
        named = await it.contacts.ResolveContact(
            request, metadata=bearer(ISSUER.service("conversations"))
        )
        code, info = await refused(
            it.contacts.ResolveContact(request, metadata=bearer(ISSUER.service("voice")))
        )
    assert named.contact_id == "conversations"
    assert (code, info.reason) == (StatusCode.PERMISSION_DENIED, "SERVICE_NOT_ALLOWED")


async def test_a_refusal_becomes_its_code_and_one_error_info() -> None:
    async def no(_: Any, __: Any) -> None:
        raise NoSuchContact("No such contact.", contactId="c-1")

    its = Contacts()
    its.does = no
    async with served(its) as it:
        code, info = await refused(
            it.contacts.GetContact(contacts.GetContactRequest(), metadata=ANA)
        )
    assert code is StatusCode.NOT_FOUND
    assert (info.reason, dict(info.metadata)) == ("CONTACT_NOT_FOUND", {"contactId": "c-1"})


async def test_what_nobody_foresaw_says_nothing_of_its_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def bug(_: Any, __: Any) -> None:
        raise ValueError("secret")

    its = Contacts()
    its.does = bug
    async with served(its) as it:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.contacts.GetContact(contacts.GetContactRequest(), metadata=ANA)
    assert caught.value.code() is StatusCode.INTERNAL
    assert reason_of(caught.value) == "INTERNAL"
    assert "secret" not in f"{caught.value.details()} {caught.value.trailing_metadata()}"
    assert any(record.message == "call failed" for record in caplog.records)


async def test_a_method_nobody_wrote_is_unimplemented() -> None:
    async with served() as it:
        code, _ = await refused(
            it.contacts.BatchGetContacts(contacts.BatchGetContactsRequest(), metadata=ANA)
        )
    assert code is StatusCode.UNIMPLEMENTED


async def test_bytes_that_are_no_message_are_an_invalid_argument() -> None:
    async with served() as it:
        raw: Any = it.channel.unary_unary("/centralita.contacts.v1.ContactsService/GetContact")
        code, info = await refused(raw(b"\xff\xff", metadata=ANA))
    assert (code, info.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


async def test_a_request_is_not_parsed_before_its_caller_is_admitted() -> None:
    async with served() as it:
        raw: Any = it.channel.unary_unary("/centralita.contacts.v1.ContactsService/GetContact")
        code, _ = await refused(raw(b"\xff\xff"))
    assert code is StatusCode.UNAUTHENTICATED


async def test_an_oversized_request_is_resource_exhausted() -> None:
    huge = contacts.GetContactRequest(contact_id="x" * (4 * 1024 * 1024 + 1))
    async with served() as it:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.contacts.GetContact(huge, metadata=ANA)
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_a_call_without_a_deadline_gets_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(_: Any, __: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("services.kernel.calls.UNARY_DEADLINE", 0.05)
    its = Contacts()
    its.does = slow
    async with served(its) as it:
        code, info = await refused(
            it.contacts.GetContact(contacts.GetContactRequest(), metadata=ANA)
        )
    assert (code, info.reason) == (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_a_method_is_cancelled_when_its_caller_goes() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(_: Any, __: Any) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    its = Contacts()
    its.does = slow
    async with served(its) as it:
        call = it.contacts.GetContact(contacts.GetContactRequest(), metadata=ANA)
        await asyncio.wait_for(began.wait(), 5)
        call.cancel()
        await asyncio.wait_for(ended.wait(), 5)


async def test_a_dependency_that_is_down_makes_us_unavailable() -> None:
    async def asks_another(_: Any, __: Any) -> None:
        async with grpc.aio.insecure_channel("127.0.0.1:1") as nowhere:
            await session_grpc.SessionServiceStub(nowhere).SignIn(session.SignInRequest())

    its = Contacts()
    its.does = asks_another
    async with served(its) as it:
        code, info = await refused(
            it.contacts.GetContact(contacts.GetContactRequest(), metadata=ANA)
        )
    assert (code, info.reason) == (StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")


async def test_a_stream_knows_its_caller_and_is_closed_when_the_client_goes() -> None:
    its = Workspace()
    async with served(its_workspace=its) as it:
        call = it.workspace.Watch(workspace.WatchRequest(), metadata=ANA)
        first = await anext(aiter(call))
        call.cancel()
        await asyncio.wait_for(its.ended.wait(), 5)
    assert first.removed_conversation_id == "ana"


async def test_a_refusal_in_a_stream_becomes_its_code() -> None:
    its = Workspace()
    its.fails = NoSuchContact("No such contact.")
    async with served(its_workspace=its) as it:
        code, info = await refused(
            drained(it.workspace.Watch(workspace.WatchRequest(), metadata=ANA))
        )
    assert (code, info.reason) == (StatusCode.NOT_FOUND, "CONTACT_NOT_FOUND")


async def test_a_stream_ends_when_its_token_does() -> None:
    soon = ISSUER.user(exp=time.time() + 1.2)
    its = Workspace()
    async with served(its_workspace=its) as it:
        code, info = await refused(
            drained(it.workspace.Watch(workspace.WatchRequest(), metadata=bearer(soon)))
        )
    assert (code, info.reason) == (StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")
    assert its.ended.is_set()


async def test_a_stop_sends_streams_elsewhere_and_lets_calls_finish() -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Any, __: Any) -> contacts.GetContactResponse:
        began.set()
        await go_on.wait()
        return contacts.GetContactResponse()

    its = Contacts()
    its.does = slow
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        up: asyncio.Future[Served] = asyncio.get_running_loop().create_future()

        async def serve() -> None:
            async with serving(
                "127.0.0.1:0",
                [
                    Exposed(contacts_grpc.add_ContactsServiceServicer_to_server, its),
                    Exposed(workspace_grpc.add_WorkspaceServiceServicer_to_server, Workspace()),
                ],
                guard=ISSUER.guard(),
                codes={},
            ) as address:
                up.set_result(Served(address, grpc.aio.insecure_channel(address)))
                await stop.wait()

        server = group.create_task(serve())
        it = await up
        watching = group.create_task(
            refused(drained(it.workspace.Watch(workspace.WatchRequest(), metadata=ANA)))
        )
        seen = drained(it.health.Watch(health_pb2.HealthCheckRequest(service="")))
        health = group.create_task(refused(seen))
        calling = it.contacts.GetContact(contacts.GetContactRequest(), metadata=ANA)
        await began.wait()
        stop.set()
        code, info = await watching
        assert (code, info.reason) == (StatusCode.UNAVAILABLE, "RECONNECT")
        assert (await health)[1].reason == "RECONNECT"
        assert not server.done()
        go_on.set()
        assert await calling == contacts.GetContactResponse()
        await asyncio.wait_for(server, 3)
        await it.channel.close()


async def test_health_names_each_service() -> None:
    async with served() as it:
        for name in ("", "centralita.contacts.v1.ContactsService"):
            answer = await it.health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.health.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() is StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_the_services(version: str) -> None:
    async with served() as it:
        info = it.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        call = info(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answer = await anext(aiter(call))
        names = {service.name for service in answer.list_services_response.service}
    assert "centralita.contacts.v1.ContactsService" in names


async def test_a_port_that_is_taken_is_not_shared() -> None:
    async with served() as it:
        with pytest.raises(RuntimeError):
            async with serving(it.address, [], guard=ISSUER.guard(), codes={}):
                pass


async def drained(call: Any) -> None:
    async for _ in call:
        pass
