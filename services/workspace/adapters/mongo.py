"""Sources and viewers in MongoDB. One document is one transaction, outbox included."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.kernel.clock import Clock
from services.kernel.outbox import entry
from services.workspace import messages
from services.workspace.domain.board import Board
from services.workspace.domain.card import Card
from services.workspace.domain.errors import Stale
from services.workspace.domain.sources import Sources
from services.workspace.domain.viewer import Viewer

from . import documents
from .documents import Document, key

Collection = AsyncIOMotorCollection[dict[str, Any]]
Nudge = Callable[[str, Sequence[Document] | None], object]

REMEMBERED = 10_000
KEEP_CLOSED = timedelta(days=8)
"""Longer than the sources' streams keep an event that could be delivered again."""


async def prepare(cards: Collection) -> None:
    """Make the index that ends the closed cards, and finds the open ones: they have no end."""
    await cards.create_index([("forget_at", ASCENDING)], name="forget", expireAfterSeconds=0)


class MongoSources:
    """Remembers what it wrote last, so that the next fact of a conversation needs no read."""

    def __init__(self, collection: Collection, nudge: Nudge, clock: Clock) -> None:
        self._collection, self._nudge, self._clock = collection, nudge, clock
        self._written: OrderedDict[str, Sources] = OrderedDict()

    def recalled(self, tenant_id: str, conversation_id: str) -> Sources | None:
        return self._written.get(key(tenant_id, conversation_id))

    async def read(self, tenant_id: str, conversation_id: str) -> Sources | None:
        found = await self._collection.find_one({"_id": key(tenant_id, conversation_id)})
        return None if found is None else documents.to_sources(found)

    async def save(self, before: Sources, after: Sources) -> None:
        document_id = key(after.tenant_id, after.conversation_id)
        # Until the outcome is known. What we wrote, the relay was told of.
        told = self._written.pop(document_id, None) is before
        now = self._clock()
        event = messages.card_changed(after.card, before.standing if before.revision else None)
        waiting = await _write(
            self._collection,
            {"_id": document_id, "revision": before.revision},
            documents.from_sources(after, now, KEEP_CLOSED),
            entry(event, now),
            new=not before.revision,
            told=told,
        )
        self._written[document_id] = after
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        self._nudge(document_id, waiting)

    async def open_cards(self) -> list[Card]:
        found = self._collection.find({"forget_at": None}, {"outbox": 0})
        return [documents.to_sources(document).card async for document in found]


class MongoViewers:
    def __init__(self, collection: Collection, nudge: Nudge, clock: Clock) -> None:
        self._collection, self._nudge, self._clock = collection, nudge, clock

    async def read(self, tenant_id: str, user_id: str) -> Viewer | None:
        found = await self._collection.find_one({"_id": key(tenant_id, user_id)})
        return None if found is None else documents.to_viewer(found)

    async def save(self, before: Viewer | None, after: Viewer) -> None:
        document_id = key(after.tenant_id, after.user_id)
        waiting = await _write(
            self._collection,
            {"_id": document_id, "version": before.version if before else 0},
            documents.from_viewer(after),
            entry(messages.viewer_changed(after), self._clock()),
            new=before is None,
        )
        self._nudge(document_id, waiting)

    async def everyone(self) -> list[Viewer]:
        found = self._collection.find({}, {"outbox": 0})
        return [documents.to_viewer(document) async for document in found]


async def _write(  # noqa: PLR0913 - one conditional write is these things
    collection: Collection,
    as_read: Document,
    change: Document,
    announced: Document,
    *,
    new: bool,
    told: bool = False,
) -> Sequence[Document] | None:
    """Change the document as it was read, or raise Stale.

    Returns what waits to be announced where that is known without a read: of a new document, and
    of one whose relay was `told` of everything before.
    """
    change = {"$set": change, "$push": {"outbox": announced}}
    try:
        done = await collection.update_one(as_read, change, upsert=new)
    except DuplicateKeyError as clash:
        raise Stale("It changed meanwhile.") from clash
    if not done.matched_count and done.upserted_id is None:
        raise Stale("It changed meanwhile.")
    return [announced] if told or done.upserted_id is not None else None


async def board(sources: MongoSources, viewers: MongoViewers) -> Board:
    """Return all that is open, and everyone who may look."""
    loaded = Board()
    loaded.load(await sources.open_cards(), await viewers.everyone())
    return loaded
