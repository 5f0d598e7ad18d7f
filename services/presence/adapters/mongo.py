"""Presences in MongoDB: one document for each agent, outbox included."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.kernel.clock import Clock
from services.kernel.mongo import readable
from services.kernel.outbox import entry
from services.presence.domain.errors import Stale
from services.presence.domain.history import change_of
from services.presence.domain.leases import Key
from services.presence.domain.presence import Presence
from services.presence.messages import presence_changed

from .documents import Document, from_presence, key, to_presence
from .mongo_history import MongoHistory

Collection = AsyncIOMotorCollection[Document]
Nudge = Callable[[str, Sequence[Mapping[str, Any]] | None], object]

_WITHOUT = {"outbox": 0}


async def prepare(collection: Collection) -> None:
    """Make the indexes: pages of a tenant, all who are connected for the start, bans that end."""
    by_user = [("tenant_id", ASCENDING), ("user_id", ASCENDING)]
    await collection.create_index(by_user, name="user", unique=True)
    await collection.create_index([("connected", ASCENDING)], name="connected")
    await collection.create_index([("ban.until", ASCENDING)], name="cooling", sparse=True)


class MongoPresences:
    """Remembers presences it read or wrote, until it hears of a newer version."""

    def __init__(
        self, collection: Collection, history: MongoHistory, nudge: Nudge, clock: Clock
    ) -> None:
        self._collection, self._history = collection, history
        self._nudge, self._clock = nudge, clock
        self._known: dict[Key, Presence] = {}
        self._newest: dict[Key, int] = {}
        self._told: dict[Key, int] = {}

    def recalled(self, user: Key) -> Presence | None:
        return self._known.get(user)

    def heard(self, user: Key, version: int) -> bool:
        """Forget what is older than this version; tell whether the version itself is not older."""
        newest = self._newest.get(user, 0)
        if version < newest:
            return False
        self._newest[user] = version
        known = self._known.get(user)
        if known is not None and known.version < version:
            del self._known[user]
        return True

    def remember(self, it: Presence) -> None:
        """Keep it, unless a newer version is known to be."""
        user = (it.tenant_id, it.user_id)
        if self.heard(user, it.version):
            self._known[user] = it

    async def read(self, user: Key) -> Presence | None:
        found = await self._collection.find_one({"_id": key(user)}, _WITHOUT)
        if found is None:
            return None
        it = to_presence(found)
        self.remember(it)
        return it

    async def save(self, before: Presence, after: Presence) -> None:
        user = (after.tenant_id, after.user_id)
        if before.version:
            await self._history.keep(change_of(before))
        event = entry(presence_changed(after), self._clock())
        change = {"$set": from_presence(after), "$push": {"outbox": event}}
        as_read = {"_id": key(user), "version": before.version}
        try:
            done = await self._collection.update_one(as_read, change, upsert=not before.version)
        except DuplicateKeyError as clash:
            raise Stale("It changed meanwhile.", userId=after.user_id) from clash
        if not done.matched_count and done.upserted_id is None:
            raise Stale("It changed meanwhile.", userId=after.user_id)
        # What this process told of the version before was nudged: only this event can be new.
        ours = self._told.get(user) == before.version
        self._told[user] = after.version
        self.remember(after)
        self._nudge(key(user), [event] if ours else None)
        self._history.keep_soon(change_of(after))

    async def page(self, tenant_id: str, after: str, size: int) -> Sequence[Presence]:
        wanted = {"tenant_id": tenant_id, "user_id": {"$gt": after}}
        found = self._collection.find(wanted, _WITHOUT).sort("user_id", ASCENDING)
        return await readable(found, to_presence, size)

    async def cooled(self, now: datetime, most: int) -> Sequence[Key]:
        wanted = {"ban.until": {"$lte": now}}
        found = self._collection.find(wanted, {"tenant_id": 1, "user_id": 1}).limit(most)
        return [(each["tenant_id"], each["user_id"]) for each in await found.to_list(most)]

    async def connected(self) -> list[Presence]:
        found = self._collection.find({"connected": True}, _WITHOUT)
        return await readable(found, to_presence)
