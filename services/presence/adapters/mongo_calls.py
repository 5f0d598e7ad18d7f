"""Calls in MongoDB: a document each, forgotten some time after the last word about it."""

from datetime import timedelta

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.kernel.clock import Clock
from services.kernel.mongo import readable
from services.presence.domain.calls import Call
from services.presence.domain.errors import Stale
from services.presence.domain.leases import Key
from services.presence.domain.status import Stage

from .documents import Document, from_call, key, to_call

Collection = AsyncIOMotorCollection[Document]

FORGOTTEN_AFTER = timedelta(days=8)
"""A day longer than dispatch's events are kept: nothing about a call can come later."""


async def prepare(collection: Collection) -> None:
    by_agent = [("tenant_id", ASCENDING), ("busy", ASCENDING)]
    await collection.create_index(by_agent, name="busy")
    await collection.create_index(
        [("heard_at", ASCENDING)],
        name="forget",
        expireAfterSeconds=int(FORGOTTEN_AFTER.total_seconds()),
    )


class MongoCalls:
    def __init__(self, collection: Collection, clock: Clock) -> None:
        self._collection, self._clock = collection, clock

    async def read(self, task: Key) -> Call | None:
        found = await self._collection.find_one({"_id": key(task)})
        return None if found is None else to_call(found)

    async def save(self, before: Call, after: Call) -> None:
        as_read = {"_id": key((after.tenant_id, after.task_id)), "version": before.version}
        version = before.version + 1
        change = {"$set": {**from_call(after), "version": version, "heard_at": self._clock()}}
        try:
            done = await self._collection.update_one(as_read, change, upsert=not before.version)
        except DuplicateKeyError as clash:
            raise Stale("It changed meanwhile.") from clash
        if not done.matched_count and done.upserted_id is None:
            raise Stale("It changed meanwhile.")

    async def stage_of(self, user: Key) -> Stage:
        tenant_id, agent_id = user
        found = self._collection.find({"tenant_id": tenant_id, "busy": agent_id})
        calls = await readable(found, to_call)
        return max((call.stage_of(agent_id) for call in calls), default=Stage.NONE)
