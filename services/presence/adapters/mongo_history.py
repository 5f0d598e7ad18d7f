"""The history in MongoDB: a document for each change, written once.

A change is staged in the agent's document with the write that makes it, so it is there if and only
if it happened. Afterwards, in this order, it is stored under its version and unstaged: twice is
once, and whoever dies in between has lost nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import BulkWriteError

from services.presence.domain.history import Change
from services.presence.domain.leases import Key

from .documents import Document, key, to_change

Collection = AsyncIOMotorCollection[Document]

KEPT = timedelta(days=400)
AT_ONCE = 100
"""Agents whose changes are moved together."""

_DUPLICATE = 11000


async def prepare(collection: Collection) -> None:
    by_user = [("tenant_id", ASCENDING), ("user_id", ASCENDING)]
    await collection.create_index([*by_user, ("version", DESCENDING)], name="changes")
    await collection.create_index([*by_user, ("at", DESCENDING)], name="times")
    await collection.create_index(
        [("at", ASCENDING)], name="forget", expireAfterSeconds=int(KEPT.total_seconds())
    )


class MongoHistory:
    def __init__(self, presences: Collection, history: Collection) -> None:
        self._presences, self._history = presences, history

    async def move(self, user: Key | None = None) -> None:
        wanted: Document = {"staged.version": {"$gt": 0}}
        if user is not None:
            wanted["_id"] = key(user)
        while True:
            found = self._presences.find(wanted, {"staged": 1}).limit(AT_ONCE)
            documents = await found.to_list(AT_ONCE)
            staged = [change for document in documents for change in document["staged"]]
            if not staged:
                return
            await self._store(staged)
            await self._presences.update_many(
                {"_id": {"$in": [document["_id"] for document in documents]}},
                {"$pull": {"staged": {"_id": {"$in": [change["_id"] for change in staged]}}}},
            )

    async def newest(
        self, user: Key, before_version: int, before: datetime | None, most: int
    ) -> Sequence[Change]:
        wanted = _of(user)
        if before_version:
            wanted["version"] = {"$lt": before_version}
        if before is not None:
            wanted["at"] = {"$lt": before}
        found = self._history.find(wanted).sort("version", DESCENDING).limit(most)
        return [to_change(document) for document in await found.to_list(most)]

    async def since(self, user: Key, begins: datetime, ends: datetime) -> Sequence[Change]:
        earlier = await self.newest(user, 0, begins, 1)
        wanted = {**_of(user), "at": {"$gte": begins, "$lt": ends}}
        found = self._history.find(wanted).sort("version", ASCENDING)
        return [*earlier, *[to_change(document) async for document in found]]

    async def _store(self, staged: Sequence[Document]) -> None:
        try:
            await self._history.insert_many(staged, ordered=False)
        except BulkWriteError as some:
            others = {each["code"] for each in some.details["writeErrors"]} - {_DUPLICATE}
            if others or some.details.get("writeConcernErrors"):
                raise


def _of(user: Key) -> Document:
    tenant_id, user_id = user
    return {"tenant_id": tenant_id, "user_id": user_id}
