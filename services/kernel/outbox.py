"""Events leave with the state they belong to: stored in one write, published at least once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from motor.motor_asyncio import AsyncIOMotorCollection
from nats.js.errors import APIError
from opentelemetry import propagate
from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from .bus import Bus, BusUnavailable
from .ids import new_id
from .wire import Outgoing, outgoing

log = logging.getLogger(__name__)

Collection = AsyncIOMotorCollection[dict[str, Any]]
SWEEP = 1.0
AT_ONCE = 100  # documents per sweep


def entry(event: Message, at: datetime, *, event_id: str | None = None) -> dict[str, Any]:
    """Make what a document's `outbox` array holds; its id is the event's id for good.

    Push it in the write that changes the state:
    `{"$set": ..., "$push": {"outbox": {"$each": [entry(...), ...]}}, "$inc": {"version": 1}}`.
    Never replace the whole document: that would drop what is not yet published.
    """
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    message = outgoing(
        event, event_id=event_id or new_id(), at=at, traceparent=carrier.get("traceparent")
    )
    return {
        "id": message.headers["Nats-Msg-Id"],
        "subject": message.subject,
        "headers": dict(message.headers),
        "payload": message.payload,
        "traceparent": carrier.get("traceparent", ""),
    }


class Outbox:
    """The relay of one collection. Of one document, events go out in the order of their writes."""

    def __init__(self, collection: Collection, bus: Bus) -> None:
        self._collection, self._bus = collection, bus
        self._relays: dict[Any, asyncio.Task[None]] = {}
        self._again: set[Any] = set()

    def nudge(
        self, document_id: Any, waiting: Sequence[Mapping[str, Any]] | None = None
    ) -> asyncio.Task[None]:
        """Publish the document's entries now. Call it after each save; awaiting is optional.

        The returned task ends when nothing is left or the bus failed; it never raises. `waiting`
        saves a read: the whole `outbox` array as the save left it (`find_one_and_update` with
        `ReturnDocument.AFTER`), never only the entries just pushed: those before them go first.
        """
        running = self._relays.get(document_id)
        if running is not None:
            self._again.add(document_id)
            return running
        task = asyncio.create_task(self._relay_all(document_id, waiting))
        self._relays[document_id] = task
        return task

    async def sweep(self) -> None:
        """Publish what nudges missed: the process died, or the bus was gone."""
        found = self._collection.find({"outbox.id": {"$gt": ""}}, {"_id": 1}).limit(AT_ONCE)
        waiting = [document["_id"] async for document in found]
        await asyncio.gather(*(self.nudge(one) for one in waiting))

    async def close(self) -> None:
        """Let what is on its way arrive, 5 seconds at most."""
        if self._relays:
            await asyncio.wait(self._relays.values(), timeout=5)
        for task in tuple(self._relays.values()):
            task.cancel()

    async def _relay_all(
        self, document_id: Any, waiting: Sequence[Mapping[str, Any]] | None
    ) -> None:
        try:
            await self._relay(document_id, waiting)
            while document_id in self._again:
                self._again.discard(document_id)
                await self._relay(document_id, None)
        except (BusUnavailable, PyMongoError, APIError) as trouble:
            log.warning("the outbox waits", extra={"cause": type(trouble).__name__})
        finally:
            self._again.discard(document_id)
            self._relays.pop(document_id, None)

    async def _relay(self, document_id: Any, waiting: Sequence[Mapping[str, Any]] | None) -> None:
        if waiting is None:
            found = await self._collection.find_one({"_id": document_id}, {"outbox": 1})
            waiting = (found or {}).get("outbox", ())
        sent: list[str] = []
        try:
            for one in waiting:
                await self._bus.publish(
                    Outgoing(one["subject"], bytes(one["payload"]), one["headers"])
                )
                sent.append(one["id"])
        finally:
            if sent:
                await self._collection.update_one(
                    {"_id": document_id}, {"$pull": {"outbox": {"id": {"$in": sent}}}}
                )


@asynccontextmanager
async def outbox(collection: Collection, bus: Bus) -> AsyncIterator[Outbox]:
    """Run the relay of a collection: nudged after each save, and swept each second."""
    await collection.create_index([("outbox.id", ASCENDING)], name="outbox", sparse=True)
    relay = Outbox(collection, bus)
    sweeping = asyncio.create_task(_sweep_for_ever(relay))
    try:
        yield relay
    finally:
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await relay.close()


async def _sweep_for_ever(relay: Outbox) -> None:
    while True:
        try:
            await relay.sweep()
        except PyMongoError as trouble:
            log.warning("the outbox cannot be read", extra={"cause": type(trouble).__name__})
        await asyncio.sleep(SWEEP)
