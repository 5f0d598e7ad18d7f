"""Contacts in MongoDB: one document each, identities and outbox inside."""

from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.contacts.domain.contact import Contact
from services.contacts.domain.errors import Stale
from services.contacts.domain.events import Event
from services.contacts.domain.identity import Identity
from services.contacts.messages import from_event
from services.kernel.clock import Clock
from services.kernel.mongo import readable
from services.kernel.outbox import Outbox, entry

from . import documents

Document = dict[str, Any]


async def prepare(collection: AsyncIOMotorCollection[Document]) -> None:
    """Make the index that lets two callers at once get one contact."""
    await collection.create_index(
        [("tenant_id", ASCENDING), ("identities.key", ASCENDING)],
        name="identity",
        unique=True,
    )


class MongoContacts:
    def __init__(
        self, collection: AsyncIOMotorCollection[Document], relay: Outbox, clock: Clock
    ) -> None:
        self._collection = collection
        self._relay = relay
        self._clock = clock

    async def behind(self, tenant_id: str, identity: Identity) -> Contact | None:
        found = await self._collection.find_one(
            {"tenant_id": tenant_id, "identities.key": identity.key}
        )
        return None if found is None else documents.to_contact(found)

    async def some(self, tenant_id: str, contact_ids: Sequence[str]) -> list[Contact]:
        wanted = {"_id": {"$in": list(contact_ids)}, "tenant_id": tenant_id}
        return await readable(self._collection.find(wanted), documents.to_contact)

    async def save(self, it: Contact, event: Event) -> None:
        """Write contact and event together, or raise Stale and write neither."""
        leaving = entry(from_event(event), self._clock())
        if it.version == 0:
            document = documents.from_contact(it) | {"outbox": [leaving]}
            try:
                await self._collection.insert_one(document)
            except DuplicateKeyError:
                # Its text quotes the address, which must not reach a log.
                raise Stale("Somebody else made it.", contactId=it.id) from None
            self._relay.nudge(it.id, [leaving])
        else:
            found = await self._collection.find_one_and_update(
                {"_id": it.id, "tenant_id": it.tenant_id, "version": it.version},
                {
                    "$set": {"display_name": it.display_name, "version": it.version + 1},
                    "$push": {"outbox": leaving},
                },
                {"outbox": 1},
                return_document=ReturnDocument.AFTER,
            )
            if found is None:
                raise Stale("It changed meanwhile.", contactId=it.id)
            self._relay.nudge(it.id, found["outbox"])
