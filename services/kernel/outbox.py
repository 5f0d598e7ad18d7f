"""Events leave with the state they belong to: stored in one write, published at least once."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any

from google.protobuf.message import Message
from motor.motor_asyncio import AsyncIOMotorCollection
from nats.errors import MaxPayloadError
from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from .bus import Bus
from .causes import cause_of
from .ending import beside, ended
from .ids import new_id
from .publisher import NEVER
from .telemetry import meter, traceparent
from .unreadable import passed_over, understood
from .wire import Outgoing, outgoing

log = logging.getLogger(__name__)

Collection = AsyncIOMotorCollection[dict[str, Any]]
LARGEST_EVENT = 768 * 1024
"""Bytes. The bus takes 1 MiB, and who hears an event tells it on in a larger one."""
SWEEP = 1.0
AT_ONCE = 100  # documents per sweep
# A batch is as good as a write to whoever waits behind it, so it stays small.
PULL_AFTER, PULLED_AT_ONCE = 0.2, 5

Pull = Callable[[Sequence[Any]], Awaitable[None]]


def entry(event: Message, at: datetime, *, event_id: str | None = None) -> dict[str, Any]:
    """Make what a document's `outbox` array holds; its id is the event's id for good.

    Push it in the write that changes the state:
    `{"$set": ..., "$push": {"outbox": {"$each": [entry(...), ...]}}, "$inc": {"version": 1}}`.
    Raises MaxPayloadError for an event that the bus would never take.
    Never replace the whole document: that would drop what is not yet published.
    """
    parent = traceparent()
    message = outgoing(event, event_id=event_id or new_id(), at=at, traceparent=parent)
    if len(message.payload) + message.header_bytes > LARGEST_EVENT:
        raise MaxPayloadError  # it would never leave
    return {
        "id": message.headers["Nats-Msg-Id"],
        "subject": message.subject,
        "headers": dict(message.headers),
        "payload": message.payload,
    }


def pulling(out: Mapping[Any, set[str]]) -> dict[str, Any]:
    """Make what `$pull` takes these entries out with."""
    return {"outbox": {"id": {"$in": list(set().union(*out.values()))}}}


class _Lane:
    """One document on its way: what waits to be published, and what waits to be pulled."""

    def __init__(self) -> None:
        self.unread = False
        self.waiting: dict[str, Mapping[str, Any]] = {}
        self.sent: set[str] = set()
        self.since = time.monotonic()
        """When it last got on: what waits longer than that is held up."""
        self.stuck = False
        """Pulling failed, and not for want of the store: not again before there is more to pull."""
        self.task: asyncio.Task[None] | None = None

    def add(self, entries: Iterable[Mapping[str, Any]]) -> None:
        for one in entries:
            if one["id"] not in self.sent:
                self.waiting.setdefault(one["id"], one)

    def add_stored(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Put what the document holds before what was added meanwhile."""
        later, self.waiting = self.waiting, {}
        self.add(entries)
        self.add(later.values())


class Outbox:
    """The relay of one collection. Of one document, events go out in the order of their writes.

    What is out is pulled from the documents a little later and together: a relay that dies in
    between sends it again under the same id.
    """

    def __init__(self, collection: Collection, bus: Bus) -> None:
        self._collection, self._bus = collection, bus
        self._lanes: dict[Any, _Lane] = {}
        self._damaged: set[Any] = set()
        """Documents with an entry that can never be sent: swept only while others wait there."""
        self._pull: Pull = self._pull_entries
        self._pulling: asyncio.Task[None] | None = None
        self._age = meter().create_gauge("centralita.outbox.age", "s")

    def pull_with(self, pull: Pull) -> None:
        """Let the owner take out what is out, with a write that does more.

        `pull` is called with the ids of documents: it takes `out` of these out and says so with
        `pulled`. What it leaves is given to it again.
        """
        self._pull = pull

    def nudge(
        self, document_id: Any, waiting: Sequence[Mapping[str, Any]] | None = None
    ) -> asyncio.Task[None]:
        """Publish the document's entries now. Call it after each save; awaiting is optional.

        The returned task ends when nothing is left or the bus failed; it never raises. `waiting`
        saves a read: entries in order, before which the document holds none that this relay was
        not told of. So give the whole array as a save left it, or what was just pushed on a
        version that this process wrote and nudged itself.
        """
        lane = self._lanes.setdefault(document_id, _Lane())
        if not (lane.unread or lane.waiting):
            lane.since = time.monotonic()
        if waiting is None:
            lane.unread = True
        else:
            lane.add(waiting)
        if lane.task is None:
            lane.task = asyncio.create_task(self._relay_all(document_id, lane))
        return lane.task

    def out(self, document_ids: Iterable[Any]) -> dict[Any, set[str]]:
        """Return, by document, the entries that are out and not yet pulled.

        Any write that touches these documents can pull them on its way; it then says so with
        `pulled`.
        """
        lanes = ((one, self._lanes.get(one)) for one in document_ids)
        return {key: set(lane.sent) for key, lane in lanes if lane is not None and lane.sent}

    def pulled(self, gone: Mapping[Any, set[str]]) -> None:
        """Forget entries that no document holds any more."""
        for document_id, sent in gone.items():
            lane = self._lanes.get(document_id)
            if lane is None:
                continue
            lane.sent -= sent
            if not lane.sent and not lane.unread and lane.task is None:
                del self._lanes[document_id]

    async def sweep(self) -> None:
        """Publish what nudges missed: the process died, or the bus was gone."""
        told_of = {"outbox.id": {"$gt": ""}, "_id": {"$nin": list(self._damaged)}}
        found = self._collection.find(told_of, {"_id": 1}).limit(AT_ONCE)
        self._tell_age()
        missed = [one["_id"] async for one in found if not self._at_work_on(one["_id"])]
        missed += [one for one in self._damaged if one in self._lanes and not self._at_work_on(one)]
        await asyncio.gather(*(self.nudge(one) for one in missed))

    async def close(self) -> None:
        """Let what is on its way arrive, 5 seconds at most."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        await ended(*tasks)
        await ended(self._pulling)
        with suppress(PyMongoError):
            await self._pull_sent()

    def _tell_age(self) -> None:
        """Say how long the document waits that has waited longest without getting on."""
        held_up = [lane.since for lane in self._lanes.values() if lane.unread or lane.waiting]
        now = time.monotonic()
        age = now - min(held_up, default=now)
        self._age.set(age, {"collection": self._collection.name})

    def _at_work_on(self, document_id: Any) -> bool:
        lane = self._lanes.get(document_id)
        return lane is not None and not lane.unread

    async def _relay_all(self, document_id: Any, lane: _Lane) -> None:
        try:
            while lane.unread or lane.waiting:
                if lane.unread:
                    found = await self._collection.find_one({"_id": document_id}, {"outbox": 1})
                    lane.unread = False
                    lane.add_stored(self._whole(document_id, found or {}))
                await self._publish(document_id, lane)
        except Exception as trouble:  # noqa: BLE001 - nobody waits for this task to raise
            # What comes next must not overtake this: the document is read again first.
            lane.unread = True
            log.warning("the outbox waits", extra={"cause": cause_of(trouble)})
        finally:
            lane.task = None
            if not lane.sent and not lane.unread:
                self._lanes.pop(document_id, None)

    def _whole(self, document_id: Any, found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the stored entries that can be sent. What else stands there stays there."""
        stored = found.get("outbox") or ()
        whole = [one for one in stored if understood(self._collection.name, partial(_sent_as, one))]
        if len(whole) < len(stored):
            self._damaged.add(document_id)
        return whole

    async def _publish(self, document_id: Any, lane: _Lane) -> None:
        for one in tuple(lane.waiting.values()):
            try:
                await self._bus.publish(_sent_as(one))
            except NEVER as flaw:
                passed_over(self._collection.name, cause_of(flaw))
                self._damaged.add(document_id)
                del lane.waiting[one["id"]]
                continue
            del lane.waiting[one["id"]]
            lane.sent.add(one["id"])
            lane.since, lane.stuck = time.monotonic(), False
            if self._pulling is None or self._pulling.done():
                self._pulling = asyncio.create_task(self._pull_soon())

    async def _pull_soon(self) -> None:
        while self._to_pull():
            await asyncio.sleep(PULL_AFTER)
            try:
                await self._pull_sent()
            except PyMongoError as trouble:
                log.warning("the outbox is not pulled", extra={"cause": cause_of(trouble)})

    async def _pull_sent(self) -> None:
        sent = self._to_pull()
        for first in range(0, len(sent), PULLED_AT_ONCE):
            await self._pull_some(sent[first : first + PULLED_AT_ONCE])

    async def _pull_some(self, document_ids: Sequence[Any]) -> None:
        """Pull from these. One that cannot be read, say, holds up none of the others."""
        try:
            await self._pull(document_ids)
        except PyMongoError:
            raise
        except Exception:
            if len(document_ids) > 1:
                for one in document_ids:
                    await self._pull_some([one])
                return
            for one, events in self.out(document_ids).items():
                log.exception("what is out is not pulled", extra={"event_ids": sorted(events)})
                self._lanes[one].stuck = True

    def _to_pull(self) -> list[Any]:
        return [key for key, lane in self._lanes.items() if lane.sent and not lane.stuck]

    async def _pull_entries(self, document_ids: Sequence[Any]) -> None:
        out = self.out(document_ids)
        await self._collection.update_many({"_id": {"$in": list(out)}}, {"$pull": pulling(out)})
        self.pulled(out)


def _sent_as(one: Mapping[str, Any]) -> Outgoing:
    """Return an entry as it goes out; raises one of many things over what is none."""
    headers = {str(name): str(value) for name, value in one["headers"].items()}
    if headers["Nats-Msg-Id"] != one["id"]:
        raise ValueError("an entry has one id")
    return Outgoing(str(one["subject"]), bytes(one["payload"]), headers)


@asynccontextmanager
async def outbox(collection: Collection, bus: Bus) -> AsyncIterator[Outbox]:
    """Run the relay of a collection: nudged after each save, and swept each second."""
    await collection.create_index([("outbox.id", ASCENDING)], name="outbox", sparse=True)
    relay = Outbox(collection, bus)
    try:
        async with beside(_sweep_for_ever(relay)):
            yield relay
    finally:
        await relay.close()


async def _sweep_for_ever(relay: Outbox) -> None:
    while True:
        try:
            await relay.sweep()
        except PyMongoError as trouble:
            log.warning("the outbox cannot be read", extra={"cause": cause_of(trouble)})
        await asyncio.sleep(SWEEP)
