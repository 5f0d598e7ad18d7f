"""Resources in MongoDB. One document is one transaction, outbox included."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.directory.domain.errors import EmailTaken, Stale
from services.directory.domain.slot import Slot
from services.directory.domain.user import Role, User
from services.directory.use_cases.ports import Word
from services.kernel.clock import Clock
from services.kernel.mongo import Database, readable
from services.kernel.outbox import Outbox, entry
from services.kernel.unreadable import understood
from services.kernel.wire import subject_of

from . import documents

T = TypeVar("T")

TOLD_WITHIN_S = 1.0
"""So long an answer waits for the bus. What is told later is told all the same."""

_BEHIND_SLASH = "0"  # the character behind "/": all keys of tenant t are between "t/" and "t0"


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """How one kind is stored and announced."""

    store: Callable[[T], dict[str, Any]]
    load: Callable[[documents.Document], T]
    changed: Callable[[Slot[T]], Message] | None = None
    """Builds the state event; None: the kind is not on the bus."""


class MongoShelf(Generic[T]):
    """One collection. What is removed leaves its key and version, and nothing else."""

    def __init__(
        self, collection: Any, form: Form[T], clock: Clock, relay: Outbox | None = None
    ) -> None:
        self._collection = collection
        self._form = form
        self._clock = clock
        self._relay = relay

    async def at(self, tenant_id: str, key: str) -> Slot[T]:
        found = await self._collection.find_one(
            {"_id": documents.key(tenant_id, key)}, {"outbox": 0}
        )
        return Slot(tenant_id, key) if found is None else self._slot(found)

    async def page(self, tenant_id: str, after: str, limit: int) -> list[Slot[T]]:
        mine = {"$gt": documents.key(tenant_id, after), "$lt": tenant_id + _BEHIND_SLASH}
        found = self._collection.find({"_id": mine, "value": {"$ne": None}}, {"outbox": 0})
        return await readable(found.sort("_id", ASCENDING), self._slot, limit)

    async def missing(self, tenant_id: str, keys: Sequence[str]) -> list[str]:
        wanted = [documents.key(tenant_id, key) for key in keys]
        # What is being removed is as good as gone for whoever would refer to it.
        stays = {"$in": [None, ""]}
        query = {"_id": {"$in": wanted}, "value": {"$ne": None}, "value.removing_to": stays}
        there = {it["key"] async for it in self._collection.find(query, {"key": 1})}
        return [key for key in keys if key not in there]

    async def save(self, slot: Slot[T]) -> Slot[T]:
        return await self._save(slot, {})

    async def sent(self) -> AsyncIterator[tuple[str, Slot[Any]]]:
        if self._form.changed is None:
            return
        async for found in self._collection.find({"outbox.0": {"$exists": False}}, {"outbox": 0}):
            slot = understood(self._collection.name, partial(self._slot, found))
            if slot is None:
                continue
            yield subject_of(self._form.changed(slot)), slot

    async def announce(self, slot: Slot[Any]) -> None:
        """Queue the state behind what the document still has to publish.

        Published past the outbox, it could overtake a later change and take its place.
        """
        document_id = documents.key(slot.tenant_id, slot.id)
        await self._collection.update_one(
            {"_id": document_id, "version": slot.version},
            {"$push": {"outbox": {"$each": self._entries(slot)}}},
        )
        self._nudge(document_id)

    async def _save(self, slot: Slot[T], condition: dict[str, Any]) -> Slot[T]:
        """Write state and event together, or raise Stale and write neither."""
        document_id = documents.key(slot.tenant_id, slot.id)
        after = replace(slot, version=slot.version + 1)
        change = {
            "$set": {
                "tenant_id": slot.tenant_id,
                "key": slot.id,
                "value": None if slot.value is None else self._form.store(slot.value),
                "incarnation": slot.incarnation,
            },
            "$push": {"outbox": {"$each": self._entries(after)}},
            "$inc": {"version": 1},
        }
        as_read = {"_id": document_id, "version": slot.version, **condition}
        try:
            done = await self._collection.update_one(as_read, change, upsert=slot.version == 0)
        except DuplicateKeyError as clash:
            raise Stale("It changed meanwhile.", id=slot.id) from clash
        if not done.matched_count and done.upserted_id is None:
            raise Stale("It changed meanwhile.", id=slot.id)
        await self._told(document_id)
        return after

    def _entries(self, slot: Slot[T]) -> list[dict[str, Any]]:
        changed = self._form.changed
        return [] if changed is None else [entry(changed(slot), self._clock())]

    async def _told(self, document_id: str) -> None:
        """Let the state be on the bus before whoever changed it uses it; the bus may be away."""
        if self._relay is not None:
            await asyncio.wait({self._relay.nudge(document_id)}, timeout=TOLD_WITHIN_S)

    def _nudge(self, document_id: str) -> None:
        if self._relay is not None:
            self._relay.nudge(document_id)

    def _slot(self, found: documents.Document) -> Slot[T]:
        value = found["value"]
        return Slot(
            found["tenant_id"],
            found["key"],
            None if value is None else self._form.load(value),
            found["version"],
            found.get("incarnation", 0),
        )


class MongoUsers(MongoShelf[User]):
    async def prepare(self) -> None:
        await self._collection.create_index(
            [("tenant_id", ASCENDING), ("value.email_lower", ASCENDING)],
            name="email",
            unique=True,
            partialFilterExpression={"value.email_lower": {"$exists": True}},
        )
        await self._collection.create_index(
            [("tenant_id", ASCENDING), ("value.role", ASCENDING)], name="role"
        )
        await self._collection.create_index(
            [("tenant_id", ASCENDING), ("value.queue_ids", ASCENDING)], name="queues"
        )

    async def by_email(self, tenant_id: str, email: str) -> Slot[User] | None:
        found = await self._collection.find_one(
            {"tenant_id": tenant_id, "value.email_lower": email.lower()}, {"outbox": 0}
        )
        return None if found is None else self._slot(found)

    async def owners(self, tenant_id: str) -> list[str]:
        query = {"tenant_id": tenant_id, "value.role": int(Role.OWNER)}
        return sorted([it["key"] async for it in self._collection.find(query, {"key": 1})])

    async def word_of(self, tenant_id: str, user_id: str) -> Word | None:
        found = await self._collection.find_one(
            {"_id": documents.key(tenant_id, user_id)}, {"word": 1}
        )
        word = (found or {}).get("word")
        return Word(word["user_id"], word["version"], word["at"]) if word else None

    async def give_word(self, tenant_id: str, user_id: str, word: Word) -> bool:
        done = await self._collection.update_one(
            {
                "_id": documents.key(tenant_id, user_id),
                "value.role": int(Role.OWNER),
                "word": None,
            },
            {"$set": {"word": _stored(word)}},
        )
        return bool(done.matched_count)

    async def take_back(self, tenant_id: str, user_id: str, word: Word) -> None:
        await self._collection.update_one(
            {"_id": documents.key(tenant_id, user_id), "word": _stored(word)},
            {"$unset": {"word": ""}},
        )

    async def save(self, slot: Slot[User]) -> Slot[User]:
        return await self._save_unique(slot, {})

    async def save_departed(self, slot: Slot[User]) -> Slot[User]:
        return await self._save_unique(slot, {"word": None})

    async def _save_unique(self, slot: Slot[User], condition: dict[str, Any]) -> Slot[User]:
        try:
            return await self._save(slot, condition)
        except Stale as stale:
            if not isinstance(stale.__cause__, DuplicateKeyError) or slot.value is None:
                raise
            holder = await self.by_email(slot.tenant_id, slot.value.email)
            if holder is None or holder.id == slot.id:
                raise
            raise EmailTaken(
                "Another user signs in with this address. Choose another one.", field="user.email"
            ) from stale


class MongoReferences:
    def __init__(self, db: Database) -> None:
        self._users = db["users"]
        self._queues = db["queues"]
        self._groups = db["groups"]
        self._accounts = db["channel_accounts"]

    async def prepare(self) -> None:
        await self._queues.create_index([("tenant_id", ASCENDING)], name="tenant")
        await self._groups.create_index(
            [("tenant_id", ASCENDING), ("value.user_ids", ASCENDING)], name="users"
        )
        await self._accounts.create_index(
            [("tenant_id", ASCENDING), ("value.queue_id", ASCENDING)], name="queue"
        )

    async def to_queue(self, tenant_id: str, queue_id: str) -> tuple[str, str] | None:
        user = await self._first(self._users, tenant_id, "value.queue_ids", queue_id)
        if user is not None:
            return "user", user
        account = await self._first(self._accounts, tenant_id, "value.queue_id", queue_id)
        if account is not None:
            return "channel_account", account
        for kind, collection in (("queue", self._queues), ("group", self._groups)):
            removed = await self._first(collection, tenant_id, "value.removing_to", queue_id)
            if removed is not None:
                return kind, removed
        return await self._overflowing(tenant_id, "queue_id", queue_id)

    async def to_user(self, tenant_id: str, user_id: str) -> tuple[str, str] | None:
        group = await self._first(self._groups, tenant_id, "value.user_ids", user_id)
        return None if group is None else ("group", group)

    async def to_group(self, tenant_id: str, group_id: str) -> tuple[str, str] | None:
        return await self._overflowing(tenant_id, "group_id", group_id)

    async def _overflowing(self, tenant_id: str, target: str, key: str) -> tuple[str, str] | None:
        for way_out in ("value.overflow", "value.business_hours.overflow"):
            queue = await self._first(self._queues, tenant_id, f"{way_out}.{target}", key)
            if queue is not None:
                return "queue", queue
        return None

    async def _first(self, collection: Any, tenant_id: str, path: str, key: str) -> str | None:
        found = await collection.find_one({"tenant_id": tenant_id, path: key}, {"key": 1})
        return None if found is None else str(found["key"])


def _stored(word: Word) -> dict[str, Any]:
    return {"user_id": word.user_id, "version": word.version, "at": word.at}
