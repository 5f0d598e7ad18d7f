"""Contacts on real servers: one contact for an identity, whoever asks and however often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from centralita.contacts.v1 import contacts_service_pb2 as pb
from centralita.contacts.v1.contacts_service_pb2_grpc import ContactsServiceStub
from centralita.contacts.v1.events_pb2 import ContactCreated, ContactUpdated
from grpc import StatusCode

from services.contacts.__main__ import service
from services.contacts.settings import Settings
from services.kernel.answers import reason_of
from services.kernel.bus import Bus
from services.kernel.channels import channel
from services.kernel.ids import is_token
from services.kernel.mongo import Database
from tests.streams import until
from tests.tokens import ISSUER, Issuer, bearer, key_server

if TYPE_CHECKING:  # the generated code has it for type checkers only
    from centralita.contacts.v1.contacts_service_pb2_grpc import ContactsServiceAsyncStub


@dataclass
class Rig:
    stubs: list["ContactsServiceAsyncStub"]
    issuer: Issuer
    tenant: str

    @property
    def agent(self) -> Any:
        return bearer(self.issuer.user(self.tenant))

    async def resolve(self, address: str, name: str = "", replica: int = 0, **other: Any) -> Any:
        request = pb.ResolveContactRequest(
            tenant_id=other.get("tenant", self.tenant),
            identity=pb.Identity(
                channel=other.get("channel", "webchat"),
                channel_account_id=other.get("account", "shop"),
                address=address,
            ),
            display_name=name,
        )
        metadata = other.get("metadata", bearer(self.issuer.service("conversations")))
        return await self.stubs[replica].ResolveContact(request, metadata=metadata)


@pytest.fixture
async def rig(
    nats_url: str, mongo_url: str, bus: Bus, db: Database, tenant: str
) -> AsyncIterator[Rig]:
    """Two replicas over one store."""
    issuer = Issuer()
    async with AsyncExitStack() as stack:
        keys = await stack.enter_async_context(key_server(issuer.jwks))
        settings = Settings(
            nats_url=nats_url,
            mongo_url=mongo_url,
            mongo_database=db.name,
            grpc_address="127.0.0.1:0",
            jwks_url=keys.url,
            issuer=ISSUER,
        )
        stubs = []
        for _ in range(2):
            running = await stack.enter_async_context(service(settings))
            to_it = await stack.enter_async_context(channel(running.grpc_address))
            stubs.append(ContactsServiceStub(to_it))
        yield Rig(stubs, issuer, tenant)


async def test_many_callers_at_once_get_one_contact(rig: Rig, db: Database, bus: Bus) -> None:
    answers = await asyncio.gather(*(rig.resolve("v-1", "Vera", n % 2) for n in range(20)))
    assert len({each.contact_id for each in answers}) == 1
    assert sum(each.created for each in answers) == 1
    assert await db["contacts"].count_documents({}) == 1
    assert is_token(answers[0].contact_id)

    async def told() -> bool:
        return (await bus.js.stream_info("CONTACTS")).state.messages == 1

    await until(told)
    message = await bus.js.get_msg(
        "CONTACTS", (await bus.js.stream_info("CONTACTS")).state.last_seq
    )
    event = ContactCreated.FromString(message.data or b"")
    assert event == ContactCreated(tenant_id=rig.tenant, contact_id=answers[0].contact_id)


async def test_a_name_is_taken_once_and_told_without_the_name(rig: Rig, bus: Bus) -> None:
    contact_id = (await rig.resolve("v-1")).contact_id
    await asyncio.gather(*(rig.resolve("v-1", f"Vera {n}", n % 2) for n in range(6)))
    answer = await rig.stubs[1].GetContact(
        pb.GetContactRequest(contact_id=contact_id), metadata=rig.agent
    )
    assert answer.contact.display_name.startswith("Vera")
    assert answer.contact.version == 2
    assert [each.address for each in answer.contact.identities] == ["v-1"]

    async def told() -> bool:
        return (await bus.js.stream_info("CONTACTS")).state.messages == 2

    await until(told)
    message = await bus.js.get_msg(
        "CONTACTS", (await bus.js.stream_info("CONTACTS")).state.last_seq
    )
    event = ContactUpdated.FromString(message.data or b"")
    assert event == ContactUpdated(tenant_id=rig.tenant, contact_id=contact_id, version=2)


async def test_ids_sort_by_the_time_they_were_made(rig: Rig) -> None:
    made = []
    for n in range(5):
        made.append((await rig.resolve(f"v-{n}")).contact_id)
        await asyncio.sleep(0.002)  # ids tell milliseconds apart
    assert made == sorted(made)


async def test_several_contacts_are_read_at_once(rig: Rig) -> None:
    first, second = [(await rig.resolve(f"v-{n}", f"V {n}")).contact_id for n in range(2)]
    request = pb.BatchGetContactsRequest(contact_ids=[second, "contact-of-nobody", first])
    answer = await rig.stubs[0].BatchGetContacts(request, metadata=rig.agent)
    assert [each.display_name for each in answer.contacts] == ["V 1", "V 0"]


async def test_what_is_wrong_is_named(rig: Rig) -> None:
    wrong = StatusCode.INVALID_ARGUMENT
    for call in (
        rig.resolve("v-1", channel=""),
        rig.resolve("v-1", account=""),
        rig.resolve("v-1", tenant=""),
        rig.resolve("v-1", tenant="a.b"),
    ):
        await refused(call, wrong, "IDENTITY_INVALID")
    await refused(rig.resolve(""), wrong, "IDENTITY_INVALID")
    many = pb.BatchGetContactsRequest(contact_ids=[f"c-{n}" for n in range(101)])
    await refused(rig.stubs[0].BatchGetContacts(many, metadata=rig.agent), wrong, "TOO_MANY_IDS")
    nobody = pb.GetContactRequest(contact_id="contact-of-nobody")
    await refused(
        rig.stubs[0].GetContact(nobody, metadata=rig.agent),
        StatusCode.NOT_FOUND,
        "CONTACT_NOT_FOUND",
    )


async def test_only_conversations_may_resolve(rig: Rig) -> None:
    denied = StatusCode.PERMISSION_DENIED
    presence = bearer(rig.issuer.service("presence"))
    await refused(rig.resolve("v-1", metadata=presence), denied, "SERVICE_NOT_ALLOWED")
    await refused(rig.resolve("v-1", metadata=rig.agent), denied, "SERVICE_NOT_ALLOWED")
    await refused(rig.resolve("v-1", metadata=()), StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")


async def test_another_tenant_finds_nothing(rig: Rig) -> None:
    contact_id = (await rig.resolve("v-1")).contact_id
    stranger = bearer(rig.issuer.user(f"{rig.tenant}x", role="owner"))
    await refused(
        rig.stubs[0].GetContact(pb.GetContactRequest(contact_id=contact_id), metadata=stranger),
        StatusCode.NOT_FOUND,
        "CONTACT_NOT_FOUND",
    )
    request = pb.BatchGetContactsRequest(contact_ids=[contact_id])
    answer = await rig.stubs[0].BatchGetContacts(request, metadata=stranger)
    assert not answer.contacts
    assert (await rig.resolve("v-1", tenant=f"{rig.tenant}x")).created


async def last_of(bus: Bus) -> bytes:
    state = (await bus.js.stream_info("CONTACTS")).state
    return (await bus.js.get_msg("CONTACTS", state.last_seq)).data or b""


async def refused(call: Any, code: StatusCode, reason: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as no:
        await call
    assert (no.value.code(), reason_of(no.value)) == (code, reason)
