"""A served method is admitted, bounded and answered alike, on a real gRPC connection."""

import asyncio
from typing import Any

import grpc
import pytest
from centralita.contacts.v1 import contacts_service_pb2 as contacts
from centralita.directory.v1 import session_service_pb2 as session
from centralita.directory.v1 import session_service_pb2_grpc as session_grpc
from centralita.options.v1.options_pb2 import Role
from grpc import StatusCode
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from services.kernel.answers import reason_of
from services.kernel.client_network import HEADER, client_network
from services.kernel.env import Misconfigured
from services.kernel.serve import serving
from tests.servicers import (
    ANA,
    ISSUER,
    Contacts,
    NoSuchContact,
    refused,
    served,
)
from tests.tokens import bearer


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


async def test_a_method_knows_the_network_that_the_edge_vouches_for() -> None:
    async def where(_: Any, __: Any) -> contacts.GetContactResponse:
        return contacts.GetContactResponse(contact=contacts.Contact(contact_id=client_network()))

    its = Contacts()
    its.does = where
    request = contacts.GetContactRequest()
    async with served(its) as it:
        told = [*ANA, (HEADER, "2001:db8:1:2::3")]
        assert (await it.contacts.GetContact(request, metadata=told)).contact.contact_id == (
            "2001:db8:1:2::/64"
        )
        assert not (await it.contacts.GetContact(request, metadata=ANA)).contact.contact_id


@pytest.mark.parametrize("packed", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_message_that_unpacks_to_anything_is_not_unpacked(packed: grpc.Compression) -> None:
    async with served() as it:
        with pytest.raises(grpc.aio.AioRpcError) as no:
            await it.session.SignIn(session.SignInRequest(email="a" * 1000), compression=packed)
        assert no.value.code() is StatusCode.UNIMPLEMENTED
        assert (await it.session.SignIn(session.SignInRequest(email="a"))).user_id == "anyone"


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
        with pytest.raises(Misconfigured):
            async with serving(it.address, [], guard=ISSUER.guard(), codes={}):
                pass
