"""Deliveries under way, and the replies that visitors of web pages read."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.ingestion.domain.delivery import Delivery, Reply, Status
from services.ingestion.domain.errors import Stale
from services.ingestion.domain.visitor import Visitor
from services.ingestion.use_cases.webchat import StoredReply
from services.kernel.again import again_if
from services.kernel.clock import Clock
from services.kernel.mongo import Database, readable

KEEP_DELIVERIES = timedelta(days=30)
KEEP_REPLIES = timedelta(days=7)

_EXPIRES = IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0)


async def create_indexes(db: Database) -> None:
    await db["deliveries"].create_indexes(
        [
            IndexModel([("tenant_id", 1), ("conversation_id", 1), ("status", 1), ("position", 1)]),
            _EXPIRES,
        ]
    )
    await db["webchat_replies"].create_indexes(
        [
            IndexModel([("visitor", 1), ("position", 1)]),
            IndexModel([("visitor", 1), ("previous", 1)], unique=True),
            _EXPIRES,
        ]
    )


class MongoDeliveries:
    """One document per reply, without its text. Connectors report on it for KEEP_DELIVERIES."""

    def __init__(self, db: Database) -> None:
        self._collection = db["deliveries"]

    async def find(self, tenant_id: str, message_id: str) -> Delivery | None:
        found = await self._collection.find_one({"_id": _key(tenant_id, message_id)})
        return None if found is None else _delivery(found)

    @again_if(Stale)
    async def begin(self, reply: Reply, now: datetime) -> Delivery:
        new = {
            "tenant_id": reply.tenant_id,
            "conversation_id": reply.conversation_id,
            "message_id": reply.message_id,
            "channel_account_id": reply.channel_account_id,
            "began_at": now,
            "attempts": 0,
            "status": Status.PENDING.value,
            "cause": "",
            "expires_at": now + KEEP_DELIVERIES,
        }
        try:
            found = await self._collection.find_one_and_update(
                _of(reply),
                # The first position, also of a reply that is published again. What an older version
                # began has none: it holds nobody up until it is tried again, and gets it here.
                {"$setOnInsert": new, "$min": {"position": reply.position}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as clash:
            raise Stale("Someone else began it.") from clash
        return _delivery(found)

    async def is_behind(self, delivery: Delivery, since: datetime) -> bool:
        earlier = {
            "tenant_id": delivery.tenant_id,
            "conversation_id": delivery.conversation_id,
            "status": Status.PENDING.value,
            "began_at": {"$gt": since},
            "position": {"$lt": delivery.position},
        }
        return await self._collection.find_one(earlier, {"_id": 1}) is not None

    async def tried(self, reply: Reply) -> None:
        await self._collection.update_one(_of(reply), {"$inc": {"attempts": 1}})

    async def settle(self, reply: Reply, status: Status, cause: str) -> None:
        await self._collection.update_one(
            _of(reply), {"$set": {"status": status.value, "cause": cause}}
        )


class MongoReplies:
    """The replies to each visitor as a chain: every one names the position before it.

    No two can name the same, so none can slip in before one that a reader has already seen. The
    positions are milliseconds, so that a chain which expired goes on above where it ended.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._collection = db["webchat_replies"]
        self._clock = clock

    @again_if(Stale)
    async def keep(self, visitor: Visitor, reply: Reply) -> None:
        """Append it, once however often it is called."""
        last = await self._collection.find_one(
            {"visitor": str(visitor)}, {"position": 1}, sort=[("position", -1)]
        )
        previous: int = last["position"] if last else 0
        now = self._clock()
        document = {
            "_id": _key(reply.tenant_id, reply.message_id),
            "visitor": str(visitor),
            "previous": previous,
            "position": max(previous + 1, int(now.timestamp() * 1000)),
            "message_id": reply.message_id,
            "text": reply.text,
            "sent_at": reply.sent_at,
            "expires_at": now + KEEP_REPLIES,
        }
        try:
            await self._collection.insert_one(document)
        except DuplicateKeyError as clash:
            if await self._collection.find_one({"_id": document["_id"]}, {"_id": 1}) is None:
                raise Stale("Another reply came first.") from clash

    async def after(self, visitor: Visitor, position: int, limit: int) -> Sequence[StoredReply]:
        query = {"visitor": str(visitor), "position": {"$gt": position}}
        found = self._collection.find(query, sort=[("position", 1)])
        return await readable(found, _stored_reply, limit)


def _stored_reply(found: Mapping[str, Any]) -> StoredReply:
    return StoredReply(
        message_id=found["message_id"],
        position=found["position"],
        text=found["text"],
        sent_at=found["sent_at"],
    )


def _key(tenant_id: str, message_id: str) -> str:
    return f"{tenant_id}/{message_id}"


def _of(reply: Reply) -> dict[str, str]:
    return {"_id": _key(reply.tenant_id, reply.message_id)}


def _delivery(found: Mapping[str, Any]) -> Delivery:
    return Delivery(
        tenant_id=found["tenant_id"],
        conversation_id=found["conversation_id"],
        message_id=found["message_id"],
        channel_account_id=found["channel_account_id"],
        began_at=found["began_at"],
        attempts=found["attempts"],
        status=Status(found["status"]),
        cause=found["cause"],
        position=found.get("position", 0),
    )
