"""Conversations in MongoDB. One document is one transaction: messages staged, outbox included."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.conversations.domain.conversation import Conversation, Lane
from services.conversations.domain.errors import ConversationNotFound, Stale
from services.conversations.domain.events import Appended, Closed, Event, Opened
from services.conversations.messages import from_events
from services.kernel.mongo import readable
from services.kernel.outbox import Outbox, entry, pulling

from . import documents
from .documents import Document

Collection = AsyncIOMotorCollection[Document]

FIRST = 1  # revision of a task

# What is on its way out is nobody's business here.
_ALL_BUT_OUTBOX = {"outbox": 0}


async def prepare(collection: Collection) -> None:
    lane = [
        ("tenant_id", ASCENDING),
        ("channel_account_id", ASCENDING),
        ("contact_id", ASCENDING),
    ]
    # The promise, kept by the store: at most one open conversation of a lane. Whoever opens has
    # seen the one before closed, for good, and takes the next ordinal: only one can. It also
    # refuses an opening decided before another came and went, and finds the latest in one step.
    await collection.create_index(
        [*lane, ("ordinal", DESCENDING)], name="lane_ordinal", unique=True
    )
    # What crossed a close and has not begun the next one yet: next to nothing, at any time.
    await collection.create_index([("crossing", ASCENDING)], name="crossing", sparse=True)
    # What is open, by age: compared with the router's tasks.
    await collection.create_index(
        [("opened_at", ASCENDING)],
        name="open_age",
        partialFilterExpression={"state": "open"},
    )
    # Whom an open one answers; closed ones are not in it, so it stays small.
    await collection.create_index(
        [*lane[:2], ("recipient_address", ASCENDING)],
        name="open_address",
        partialFilterExpression={"state": "open"},
    )


class MongoConversations:
    def __init__(self, collection: Collection, relay: Outbox) -> None:
        self._collection = collection
        self._relay = relay

    async def latest_in(self, lane: Lane) -> Conversation | None:
        found = await self._collection.find_one(
            {
                "tenant_id": lane.tenant_id,
                "channel_account_id": lane.channel_account_id,
                "contact_id": lane.contact_id,
            },
            _ALL_BUT_OUTBOX,
            sort=[("ordinal", DESCENDING)],
        )
        return None if found is None else documents.to_conversation(found)

    async def open_since(
        self, moment: datetime, at_once: int
    ) -> AsyncIterator[Sequence[tuple[str, str]]]:
        found = self._collection.find(
            {"state": "open", "opened_at": {"$lt": moment}}, {"tenant_id": 1}
        ).sort("opened_at", ASCENDING)
        while some := await found.to_list(at_once):
            yield [(document["tenant_id"], document["_id"]) for document in some]

    async def closed_among(
        self, tenant_id: str, conversation_ids: Sequence[str]
    ) -> list[Conversation]:
        wanted = {"_id": {"$in": list(conversation_ids)}, "tenant_id": tenant_id, "state": "closed"}
        found = self._collection.find(wanted, _ALL_BUT_OUTBOX)
        return await readable(found, documents.to_conversation)

    async def tell_close(self, it: Conversation) -> None:
        if it.closed is not None:
            entries = [entry(message, at) for message, at in from_events(it, [it.closed])]
            await self._collection.update_one(
                {"_id": it.id}, {"$push": {"outbox": {"$each": entries}}}
            )
            self._relay.nudge(it.id)

    async def following(self, it: Conversation) -> Conversation | None:
        found = await self._collection.find_one(
            {
                "tenant_id": it.lane.tenant_id,
                "channel_account_id": it.lane.channel_account_id,
                "contact_id": it.lane.contact_id,
                "ordinal": it.ordinal + 1,
            },
            _ALL_BUT_OUTBOX,
        )
        return None if found is None else documents.to_conversation(found)

    async def crossing(self, most: int) -> list[Conversation]:
        found = self._collection.find({"crossing": True}, _ALL_BUT_OUTBOX)
        return await readable(found, documents.to_conversation, most)

    async def continued(self, conversation_id: str) -> None:
        await self._collection.update_one({"_id": conversation_id}, {"$unset": {"crossing": ""}})

    async def open_with(
        self, tenant_id: str, channel_account_id: str, address: str
    ) -> Conversation | None:
        found = await self._collection.find_one(
            {
                "tenant_id": tenant_id,
                "channel_account_id": channel_account_id,
                "recipient_address": address,
                "state": "open",
            },
            _ALL_BUT_OUTBOX,
        )
        return None if found is None else documents.to_conversation(found)

    async def open_on(self, tenant_id: str, channel_account_id: str) -> int:
        return await self._collection.count_documents(
            {"tenant_id": tenant_id, "channel_account_id": channel_account_id, "state": "open"}
        )

    async def get(self, tenant_id: str, conversation_id: str) -> Conversation:
        found = await self._collection.find_one(
            {"_id": conversation_id, "tenant_id": tenant_id}, _ALL_BUT_OUTBOX
        )
        if found is None:
            raise ConversationNotFound("No such conversation.", conversationId=conversation_id)
        return documents.to_conversation(found)

    async def save(self, it: Conversation, *events: Event) -> None:
        """Write what happened and its events in one write, or raise Stale and write neither."""
        after = it.apply(*events)
        entries = [entry(message, at) for message, at in from_events(after, events)]
        if it.version == 0:
            waiting = await self._open(after, entries)
        else:
            waiting = await self._change(it, after, events, entries)
        self._relay.nudge(it.id, waiting)

    async def _open(self, after: Conversation, entries: list[Document]) -> list[Document]:
        document = documents.from_conversation(after) | {"outbox": entries}
        try:
            await self._collection.insert_one(document)
        except DuplicateKeyError as clash:
            raise Stale("Another one was opened meanwhile.") from clash
        return entries

    async def _change(
        self,
        it: Conversation,
        after: Conversation,
        events: Sequence[Event],
        entries: list[Document],
    ) -> list[Document]:
        as_read: Document = {
            "_id": it.id,
            "tenant_id": it.lane.tenant_id,
            "version": it.version,
            "state": "open",
        }
        change: dict[str, Document] = {
            "$set": {"version": after.version, "message_count": after.message_count},
            "$push": {"outbox": {"$each": entries}},
        }
        appended = [each.message for each in events if isinstance(each, Appended)]
        if appended:
            staged = [documents.from_staged(message) for message in appended]
            change["$push"]["staged"] = {"$each": staged}
        if any(isinstance(each, Opened) for each in events):
            change["$set"] |= {
                "task_revision": after.task_revision,
                "assignee_id": after.assignee_id,
            }
        if any(isinstance(each, Closed) for each in events):
            as_read["staged"] = []  # a closed document holds no messages
            change["$set"] |= {
                "state": documents.state_of(after),
                "closed": documents.from_closed(after.closed),
            }
            if after.crossed:
                change["$set"]["crossing"] = True
        found = await self._collection.find_one_and_update(
            as_read, change, {"outbox": 1}, return_document=ReturnDocument.AFTER
        )
        if found is None:
            raise Stale("It changed meanwhile.", conversationId=it.id)
        waiting: list[Document] = found["outbox"]
        return waiting

    async def unstage(self, conversation_ids: Sequence[str], message_ids: Sequence[str]) -> None:
        """Drop messages that are documents now. The version stays: nothing has happened.

        The events that are out by now leave in the same write, of what holds nothing more: so
        wherever a message is staged there is an event in the outbox, and its sweep finds both.
        """
        these, gone = {"$in": list(conversation_ids)}, list(message_ids)
        out = self._relay.out(conversation_ids)
        others = {"$elemMatch": {"id": {"$nin": gone}}}
        change: Document = {"$set": {"staged": []}} | ({"$pull": pulling(out)} if out else {})
        done = await self._collection.update_many(
            {"_id": these, "staged": {"$not": others}}, change
        )
        if done.matched_count < len(conversation_ids):  # somebody has staged more: that stays
            await self._collection.update_many(
                {"_id": these}, {"$pull": {"staged": {"id": {"$in": gone}}}}
            )
            holding = {"_id": these, "outbox.id": {"$in": list(set().union(*out.values()))}}
            for each in await self._collection.distinct("_id", holding):
                del out[each]
        self._relay.pulled(out)

    async def note_task(
        self, tenant_id: str, conversation_id: str, revision: int, queue_id: str, assignee_id: str
    ) -> None:
        if revision == FIRST and not assignee_id:
            # It waits where it was opened: nothing new, and nothing older can come after it.
            return
        noted: Document = {"task_revision": revision, "assignee_id": assignee_id}
        if queue_id:
            noted["queue_id"] = queue_id
        wanted: Document = {
            "_id": conversation_id,
            "tenant_id": tenant_id,
            "task_revision": {"$lt": revision},
        }
        await self._collection.update_one(wanted, {"$set": noted, "$inc": {"version": 1}})

    async def holding(self, conversation_ids: Sequence[str]) -> list[Conversation]:
        wanted = {"_id": {"$in": list(conversation_ids)}, "staged": {"$ne": []}}
        found = self._collection.find(wanted, _ALL_BUT_OUTBOX)
        return await readable(found, documents.to_conversation)
