"""Contacts is asked once for each sender, and again when it can learn a name."""

from dataclasses import replace
from typing import Any, cast

import grpc
import pytest
from centralita.contacts.v1.contacts_service_pb2 import (
    ResolveContactRequest,
    ResolveContactResponse,
)
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from services.conversations.adapters import contacts
from services.conversations.adapters.contacts import GrpcContacts
from services.conversations.domain.errors import Unusable
from services.conversations.domain.received import Sender

VERA = Sender("acme", "webchat", "shop", "visitor-1", "")


class Stub:
    def __init__(self) -> None:
        self.asked: list[ResolveContactRequest] = []
        self.refuses: StatusCode | None = None

    async def ResolveContact(  # noqa: N802 - the name is in the proto
        self, request: ResolveContactRequest
    ) -> ResolveContactResponse:
        self.asked.append(request)
        if self.refuses:
            raise AioRpcError(self.refuses, Metadata(), Metadata())
        identity = request.identity
        contact_id = f"{request.tenant_id}-{identity.address}"
        return ResolveContactResponse(contact_id=contact_id, created=len(self.asked) == 1)


def over(stub: Stub) -> GrpcContacts:
    return GrpcContacts(cast("Any", stub))


async def test_a_known_sender_is_not_asked_for_again() -> None:
    stub = Stub()
    known = over(stub)
    answers = [await known.resolve(VERA) for _ in range(3)]
    assert [it.contact_id for it in answers] == ["acme-visitor-1"] * 3
    assert [it.new for it in answers] == [True, False, False]
    (asked,) = stub.asked
    assert (asked.identity.channel, asked.identity.channel_account_id) == ("webchat", "shop")


async def test_a_name_that_is_new_is_passed_on_once() -> None:
    stub = Stub()
    known = over(stub)
    for name in ("", "Vera", "Vera", ""):
        await known.resolve(replace(VERA, name=name))
    assert [each.display_name for each in stub.asked] == ["", "Vera"]


async def test_tenants_and_accounts_are_kept_apart() -> None:
    stub = Stub()
    known = over(stub)
    assert await known.resolve(VERA) != await known.resolve(replace(VERA, tenant_id="umbrella"))
    await known.resolve(replace(VERA, channel_account_id="blog"))
    assert len(stub.asked) == 3


async def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "MOST_REMEMBERED", 2)
    stub = Stub()
    known = over(stub)
    for address in ("a", "b", "a", "c", "a", "b"):
        await known.resolve(replace(VERA, address=address))
    assert [each.identity.address for each in stub.asked] == ["a", "b", "c", "b"]


async def test_an_address_nobody_can_have_is_unusable_and_an_outage_is_not() -> None:
    stub = Stub()
    stub.refuses = StatusCode.INVALID_ARGUMENT
    with pytest.raises(Unusable):
        await over(stub).resolve(VERA)
    stub.refuses = StatusCode.UNAVAILABLE
    with pytest.raises(grpc.aio.AioRpcError):
        await over(stub).resolve(VERA)
