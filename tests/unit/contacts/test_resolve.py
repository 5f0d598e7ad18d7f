"""One contact for an identity; a name only while it has none."""

import asyncio
from itertools import count

import pytest

from services.contacts.domain.errors import ContactNotFound, IdentityInvalid, TooManyIds
from services.contacts.domain.events import Created, Updated
from services.contacts.domain.identity import Identity
from services.contacts.messages import to_display_name
from services.contacts.use_cases import ReadContacts, ResolveContact
from tests.unit.contacts.fakes import FakeContacts

VERA = Identity.checked("webchat", "shop", "visitor-1")


def resolving() -> tuple[ResolveContact, FakeContacts]:
    contacts, numbers = FakeContacts(), count(1)
    return ResolveContact(contacts, lambda: f"c-{next(numbers)}"), contacts


async def test_an_identity_is_a_contact_from_first_sight() -> None:
    resolve, contacts = resolving()
    assert await resolve("acme", VERA, "Vera") == ("c-1", True)
    assert await resolve("acme", VERA, "Vera") == ("c-1", False)
    assert contacts.events == [Created("acme", "c-1")]


async def test_many_at_once_get_one_contact() -> None:
    resolve, contacts = resolving()
    answers = await asyncio.gather(*(resolve("acme", VERA, "Vera") for _ in range(10)))
    assert len({contact_id for contact_id, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1
    assert len(contacts.documents) == 1


async def test_a_name_is_taken_only_while_there_is_none() -> None:
    resolve, contacts = resolving()
    for name in ("", "Vera Ruiz", "Somebody"):
        await resolve("acme", VERA, name)
    assert contacts.documents["c-1"].display_name == "Vera Ruiz"
    assert contacts.events == [Created("acme", "c-1"), Updated("acme", "c-1", 2)]


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ("  Vera \n Ruiz ", "Vera Ruiz"),
        ("Ve\0ra\u202e", "Vera"),
        ("\u200b\ufe0f", ""),
        ("x" * 500, "x" * 100),
        ("👩\u200d🌾", "👩\u200d🌾"),
    ],
)
def test_a_name_that_a_channel_tells_is_made_to_fit(told: str, taken: str) -> None:
    assert to_display_name(told) == taken


@pytest.mark.parametrize(
    ("tenant_id", "other"),
    [
        ("umbrella", VERA),
        ("acme", Identity.checked("webchat", "blog", "visitor-1")),
        ("acme", Identity.checked("custom", "shop", "visitor-1")),
        ("acme", Identity.checked("webchat", "shop", "Visitor-1")),
    ],
)
async def test_a_handle_means_something_only_where_it_is_from(
    tenant_id: str, other: Identity
) -> None:
    resolve, _ = resolving()
    await resolve("acme", VERA, "")
    assert await resolve(tenant_id, other, "") == ("c-2", True)


@pytest.mark.parametrize(
    ("channel", "account", "address", "field"),
    [
        ("", "shop", "v", "channel"),
        ("Webchat", "shop", "v", "channel"),
        ("webchat", "", "v", "channel_account_id"),
        ("custom", "", "v", "channel_account_id"),
        ("sms", "a/b", "v", "channel_account_id"),
    ],
)
def test_a_bad_identity_is_refused_with_its_field(
    channel: str, account: str, address: str, field: str
) -> None:
    with pytest.raises(IdentityInvalid) as refused:
        Identity.checked(channel, account, address)
    assert refused.value.details == {"field": field}


async def test_a_number_is_unique_in_its_whole_channel() -> None:
    resolve, _ = resolving()
    number = Identity.checked("sms", "", "+59899123456")
    assert await resolve("acme", number, "") == ("c-1", True)


@pytest.mark.parametrize("tenant_id", ["", "a.b", "a b"])
async def test_a_bad_tenant_is_refused(tenant_id: str) -> None:
    resolve, _ = resolving()
    with pytest.raises(IdentityInvalid):
        await resolve(tenant_id, VERA, "")


async def test_reading_keeps_the_order_and_leaves_out_the_unknown() -> None:
    resolve, contacts = resolving()
    read = ReadContacts(contacts)
    await resolve("acme", VERA, "Vera")
    await resolve("acme", Identity.checked("webchat", "shop", "visitor-2"), "Hugo")
    found = await read.several("acme", ["c-2", "c-9", "c-1", "c-2"])
    assert [it.id for it in found] == ["c-2", "c-1"]
    assert await read.several("umbrella", ["c-1"]) == []
    with pytest.raises(ContactNotFound):
        await read.one("umbrella", "c-1")
    with pytest.raises(TooManyIds):
        await read.several("acme", [f"c-{n}" for n in range(101)])
