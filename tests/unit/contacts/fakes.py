"""Contacts in memory, with the unique identity of the real store."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from services.contacts.domain.contact import Contact
from services.contacts.domain.errors import Stale
from services.contacts.domain.events import Event
from services.contacts.domain.identity import Identity


class FakeContacts:
    def __init__(self) -> None:
        self.documents: dict[str, Contact] = {}
        self.events: list[Event] = []

    async def behind(self, tenant_id: str, identity: Identity) -> Contact | None:
        await asyncio.sleep(0)
        for it in self.documents.values():
            if it.tenant_id == tenant_id and identity in it.identities:
                return it
        return None

    def _all(self) -> list[Contact]:
        return list(self.documents.values())

    async def some(self, tenant_id: str, contact_ids: Sequence[str]) -> list[Contact]:
        found = [self.documents[each] for each in contact_ids if each in self.documents]
        return [it for it in found if it.tenant_id == tenant_id]

    async def save(self, it: Contact, event: Event) -> None:
        await asyncio.sleep(0)
        known = {
            (each.tenant_id, one.key) for each in self.documents.values() for one in each.identities
        }
        stored = self.documents.get(it.id)
        if stored is None and any((it.tenant_id, one.key) in known for one in it.identities):
            raise Stale("Somebody else made it.")
        if stored is not None and stored.version != it.version:
            raise Stale("It changed meanwhile.")
        self.documents[it.id] = replace(it, version=it.version + 1)
        self.events.append(event)
