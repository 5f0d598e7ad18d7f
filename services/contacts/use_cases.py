"""Who is this? Whoever asks remembers the answers, so most who are asked about are new."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from services.kernel.again import again_if
from services.kernel.ids import is_token

from .domain.contact import Contact, event_of, first_seen
from .domain.errors import ContactNotFound, IdentityInvalid, Stale, TooManyIds
from .domain.events import Event
from .domain.identity import Identity

LARGEST_BATCH = 100


class Contacts(Protocol):
    async def behind(self, tenant_id: str, identity: Identity) -> Contact | None: ...
    async def some(self, tenant_id: str, contact_ids: Sequence[str]) -> list[Contact]: ...
    async def save(self, it: Contact, event: Event) -> None: ...


class ResolveContact:
    """Return the id behind an identity, and whether this call made the contact."""

    def __init__(self, contacts: Contacts, new_id: Callable[[], str]) -> None:
        self._contacts = contacts
        self._new_id = new_id

    @again_if(Stale)
    async def __call__(
        self, tenant_id: str, identity: Identity, display_name: str
    ) -> tuple[str, bool]:
        if not is_token(tenant_id):
            raise IdentityInvalid("Name the tenant.", field="tenant_id")
        made = first_seen(tenant_id, self._new_id(), identity, display_name)
        with suppress(Stale):  # the store knows them, or somebody makes the same contact now
            await self._contacts.save(made, event_of(made))
            return made.id, True
        known = await self._contacts.behind(tenant_id, identity)
        if known is None:
            raise Stale("They were there a moment ago.")
        named = known.named(display_name)
        if named != known:
            await self._contacts.save(named, event_of(known))
        return known.id, False


class ReadContacts:
    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts

    async def one(self, tenant_id: str, contact_id: str) -> Contact:
        for found in await self._contacts.some(tenant_id, [contact_id]):
            return found
        raise ContactNotFound("No such contact.", contactId=contact_id)

    async def several(self, tenant_id: str, contact_ids: Sequence[str]) -> list[Contact]:
        """Return those that exist, in the order asked for, each once."""
        wanted = list(dict.fromkeys(contact_ids))
        if len(wanted) > LARGEST_BATCH:
            raise TooManyIds("Ask for at most 100 contacts at once.", most=str(LARGEST_BATCH))
        found = {it.id: it for it in await self._contacts.some(tenant_id, wanted)}
        return [found[contact_id] for contact_id in wanted if contact_id in found]
