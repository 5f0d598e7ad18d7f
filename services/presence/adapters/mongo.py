"""Presences in MongoDB: one document for each agent, outbox included."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.kernel.clock import Clock
from services.kernel.outbox import entry
from services.presence.domain.errors import Stale
from services.presence.domain.leases import Key
from services.presence.domain.presence import Cause, Presence
from services.presence.messages import presence_changed

Document = dict[str, Any]
Collection = AsyncIOMotorCollection[Document]


async def prepare(collection: Collection) -> None:
    """Make the indexes: pages of a tenant, and all who are connected, for the start."""
    by_user = [("tenant_id", ASCENDING), ("user_id", ASCENDING)]
    await collection.create_index(by_user, name="user", unique=True)
    await collection.create_index([("connected", ASCENDING)], name="connected")


class MongoPresences:
    """Remembers the newest version of each presence it read, wrote or heard of."""

    def __init__(
        self, collection: Collection, nudge: Callable[[str], object], clock: Clock
    ) -> None:
        self._collection, self._nudge, self._clock = collection, nudge, clock
        self._known: dict[Key, Presence] = {}

    def recalled(self, user: Key) -> Presence | None:
        return self._known.get(user)

    def remember(self, it: Presence) -> bool:
        """Keep what is not older than what is known; tell whether it was kept."""
        user = (it.tenant_id, it.user_id)
        known = self._known.get(user)
        if known is not None and known.version > it.version:
            return False
        self._known[user] = it
        return True

    async def read(self, user: Key) -> Presence | None:
        found = await self._collection.find_one({"_id": _key(user)}, {"outbox": 0})
        if found is None:
            return None
        it = _to_presence(found)
        self.remember(it)
        return it

    async def save(self, before: Presence, after: Presence) -> None:
        document_id = _key((after.tenant_id, after.user_id))
        change = {
            "$set": _from_presence(after),
            "$push": {"outbox": entry(presence_changed(after), self._clock())},
        }
        as_read = {"_id": document_id, "version": before.version}
        try:
            done = await self._collection.update_one(as_read, change, upsert=not before.version)
        except DuplicateKeyError as clash:
            raise Stale("It changed meanwhile.", userId=after.user_id) from clash
        if not done.matched_count and done.upserted_id is None:
            raise Stale("It changed meanwhile.", userId=after.user_id)
        self.remember(after)
        self._nudge(document_id)

    async def page(self, tenant_id: str, after: str, size: int) -> Sequence[Presence]:
        wanted = {"tenant_id": tenant_id, "user_id": {"$gt": after}}
        found = self._collection.find(wanted, {"outbox": 0}).sort("user_id", ASCENDING)
        return [_to_presence(document) for document in await found.limit(size).to_list(size)]

    async def connected(self) -> list[Presence]:
        found = self._collection.find({"connected": True}, {"outbox": 0})
        return [_to_presence(document) async for document in found]


def _key(user: Key) -> str:
    return "/".join(user)


def _from_presence(it: Presence) -> Document:
    return {
        "tenant_id": it.tenant_id,
        "user_id": it.user_id,
        "connected": it.connected,
        "receive_new": it.receive_new,
        "since": it.since,
        "left_at": it.left_at,
        "cause": int(it.cause),
        "version": it.version,
    }


def _to_presence(found: Mapping[str, Any]) -> Presence:
    return Presence(
        found["tenant_id"],
        found["user_id"],
        connected=found["connected"],
        receive_new=found["receive_new"],
        since=found["since"],
        left_at=found["left_at"],
        cause=Cause(found["cause"]),
        version=found["version"],
    )
