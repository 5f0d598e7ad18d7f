"""The history in MongoDB: a document for each change, written once.

What an agent's document shows is its own last change. It is kept here before the next one takes its
place: soon after the write that made it, with nobody waiting, and at the latest by whoever writes
or reads next. So a change is there if and only if it happened, and who dies loses nothing.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import BulkWriteError, PyMongoError

from services.kernel.causes import cause_of
from services.kernel.mongo import readable
from services.presence.domain.history import Change
from services.presence.domain.leases import Key

from .documents import Document, from_change, to_change

log = logging.getLogger(__name__)

Collection = AsyncIOMotorCollection[Document]

FORGOTTEN_AFTER = timedelta(days=400)
AT_ONCE = 20
"""Changes stored together when many happen at once."""

_DUPLICATE = 11000


async def prepare(collection: Collection) -> None:
    by_user = [("tenant_id", ASCENDING), ("user_id", ASCENDING)]
    await collection.create_index([*by_user, ("version", DESCENDING)], name="changes")
    await collection.create_index([*by_user, ("at", DESCENDING)], name="times")
    await collection.create_index(
        [("at", ASCENDING)], name="forget", expireAfterSeconds=int(FORGOTTEN_AFTER.total_seconds())
    )


class MongoHistory:
    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._kept: dict[Key, int] = {}
        self._behind: dict[Key, Change] = {}
        self._told = asyncio.Event()

    async def keep(self, change: Change) -> None:
        """Store a change, unless this process knows that it is. Repeatable by anyone."""
        agent = _agent(change)
        if self._behind.get(agent) == change:
            del self._behind[agent]
        if self._kept.get(agent, 0) < change.version:
            await self._store([change])

    def keep_soon(self, change: Change) -> None:
        """Store a change without making anybody wait; should that fail, `keep` does it."""
        self._behind[_agent(change)] = change
        self._told.set()

    async def keep_up(self) -> None:
        """Store for ever what is to be stored soon."""
        while True:
            await self._told.wait()
            self._told.clear()
            while some := list(islice(self._behind.values(), AT_ONCE)):
                for change in some:
                    del self._behind[_agent(change)]
                try:
                    await self._store(some)
                except PyMongoError as trouble:
                    log.warning("the history is behind", extra={"cause": cause_of(trouble)})

    async def forget(self, user: Key, before_version: int) -> None:
        await self._collection.delete_many({**_of(user), "version": {"$lt": before_version}})

    async def newest(
        self, user: Key, before_version: int, before: datetime | None, most: int
    ) -> Sequence[Change]:
        wanted = _of(user)
        if before_version:
            wanted["version"] = {"$lt": before_version}
        if before is not None:
            wanted["at"] = {"$lt": before}
        found = self._collection.find(wanted).sort("version", DESCENDING)
        return await readable(found, to_change, most)

    async def since(self, user: Key, begins: datetime, ends: datetime) -> Sequence[Change]:
        earlier = await self.newest(user, 0, begins, 1)
        wanted = {**_of(user), "at": {"$gte": begins, "$lt": ends}}
        found = self._collection.find(wanted).sort("version", ASCENDING)
        return [*earlier, *await readable(found, to_change)]

    async def _store(self, changes: Sequence[Change]) -> None:
        try:
            await self._collection.insert_many([*map(from_change, changes)], ordered=False)
        except BulkWriteError as some:
            others = {each["code"] for each in some.details["writeErrors"]} - {_DUPLICATE}
            if others or some.details.get("writeConcernErrors"):
                raise
        for change in changes:
            agent = _agent(change)
            self._kept[agent] = max(change.version, self._kept.get(agent, 0))


def _agent(change: Change) -> Key:
    return change.tenant_id, change.user_id


def _of(user: Key) -> Document:
    tenant_id, user_id = user
    return {"tenant_id": tenant_id, "user_id": user_id}
