"""Messages in MongoDB: a document each, because a conversation has no end of them."""

from collections.abc import Sequence

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.message import Delivery, Direction, Message, Place, Seen
from services.conversations.use_cases.ports import Stored
from services.kernel.mongo import readable

from . import documents
from .documents import Document

Collection = AsyncIOMotorCollection[Document]

_DUPLICATE = 11000


class NotStored(Exception):
    """Messages could not be stored; they stay staged, and it will be tried again."""


async def prepare(collection: Collection) -> None:
    await collection.create_index(
        [
            ("tenant_id", ASCENDING),
            ("conversation_id", ASCENDING),
            ("sent_at", ASCENDING),
            ("arrival", ASCENDING),
        ],
        name="thread",
    )


class MongoMessages:
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def get(self, tenant_id: str, message_id: str) -> Message | None:
        found = await self._collection.find_one({"_id": message_id, "tenant_id": tenant_id})
        return None if found is None else documents.to_message(found)

    async def inbound(self, tenant_id: str, message_id: str, former_id: str) -> Stored | None:
        either = {"_id": {"$in": [message_id, former_id]}, "tenant_id": tenant_id}
        found = await self._collection.find(either).to_list(2)
        # False comes first: the message of its own id, where both are there.
        for each in sorted(found, key=lambda document: document["_id"] == former_id):
            return Stored(each["conversation_id"], documents.to_message(each))
        return None

    async def keep(self, staged: Sequence[tuple[Conversation, Message]]) -> None:
        """Insert them. One that is there already is the same message, perhaps delivered since."""
        for it, message in staged:
            if message.moved:
                await self._move(it, message)
        new = [documents.from_message(it, message) for it, message in staged if not message.moved]
        try:
            if len(new) == 1:
                await self._collection.insert_one(new[0])
            elif new:
                await self._collection.insert_many(new, ordered=False)
        except DuplicateKeyError:
            pass
        except BulkWriteError as some:
            told = some.details["writeErrors"] + some.details.get("writeConcernErrors", [])
            if failures := sorted({each["code"] for each in told} - {_DUPLICATE}):
                # Its own text quotes the messages, which must not reach a log; the code tells why.
                why = OperationFailure("not stored", failures[0])
                raise NotStored(f"write errors {failures}") from why

    async def _move(self, it: Conversation, message: Message) -> None:
        """Take a message over from the conversation before; one that has moved on stays there."""
        await self._collection.update_one(
            {"_id": message.id, "tenant_id": it.lane.tenant_id, "conversation_id": it.continues},
            {"$set": {"conversation_id": it.id, "arrival": message.arrival}},
        )

    async def among(self, tenant_id: str, message_ids: Sequence[str]) -> list[Message]:
        wanted = {"_id": {"$in": list(message_ids)}, "tenant_id": tenant_id}
        found = await readable(self._collection.find(wanted), documents.to_message)
        return sorted(found, key=lambda message: message_ids.index(message.id))

    async def unseen(self, it: Conversation, seen: Seen, most: int) -> list[Message]:
        wanted: Document = {
            "tenant_id": it.lane.tenant_id,
            "conversation_id": it.id,
            "direction": Direction.INBOUND.value,
        }
        if seen.arrival:
            wanted["arrival"] = {"$gt": seen.arrival}
        if seen.until is not None:
            wanted["arrived_at"] = {"$gt": seen.until}
        found = self._collection.find(wanted).sort([("arrival", DESCENDING)])
        return (await readable(found, documents.to_message, most))[::-1]

    async def after(self, it: Conversation, place: Place | None, most: int) -> list[Message]:
        wanted: Document = {"tenant_id": it.lane.tenant_id, "conversation_id": it.id}
        if place is not None:
            wanted["sent_at"] = {"$gte": place.sent_at}
            wanted["$or"] = [
                {"sent_at": {"$gt": place.sent_at}},
                {"arrival": {"$gt": place.arrival}},
            ]
        found = self._collection.find(wanted)
        found = found.sort([("sent_at", ASCENDING), ("arrival", ASCENDING)])
        return await readable(found, documents.to_message, most)

    async def merge_delivery(
        self, tenant_id: str, message_id: str, delivery: Delivery, cause: str
    ) -> bool:
        done = await self._collection.update_one(
            {
                "_id": message_id,
                "tenant_id": tenant_id,
                "direction": Direction.OUTBOUND.value,
                "delivery": {"$lt": int(delivery)},
            },
            {
                "$set": {
                    "delivery": int(delivery),
                    "delivery_cause": cause if delivery is Delivery.FAILED else "",
                }
            },
        )
        return bool(done.matched_count)
