"""Conversations and messages: the same accounts, contacts and addresses, and others' ids."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from services.conversations.adapters import mongo_conversations, mongo_messages
from services.conversations.domain.conversation import Conversation, Incoming, Lane, opening
from services.conversations.domain.message import (
    Delivery,
    Direction,
    Message,
    Place,
    Seen,
    reply_id,
)
from services.kernel.bus import Bus
from services.kernel.mongo import Database
from services.kernel.outbox import outbox
from tests.integration.stores.witness import NOW, Case, SilentBus, Stores, clock

ADDRESS = "visitor-1"


@asynccontextmanager
async def opened(db: Database) -> AsyncIterator[Mapping[str, Any]]:
    async with outbox(db["conversations"], cast(Bus, SilentBus())) as relay:
        await mongo_conversations.prepare(db["conversations"])
        await mongo_messages.prepare(db["messages"])
        yield {
            "conversations": mongo_conversations.MongoConversations(db["conversations"], relay),
            "messages": mongo_messages.MongoMessages(db["messages"]),
        }


def lane(tenant: str) -> Lane:
    return Lane(tenant, "web", "contact-1")


def incoming(message_id: str) -> Incoming:
    return Incoming(message_id, f"former-{message_id}", "Hello", NOW, ADDRESS, "webchat", "sales")


def begun(tenant: str, name: str, ordinal: int) -> tuple[Conversation, Sequence[Any]]:
    it = opening(f"{tenant}-{name}", lane(tenant), ordinal, incoming(f"{tenant}-m{ordinal}"), NOW)
    return it, it.receive(incoming(f"{tenant}-m{ordinal}"), clock())


async def use(stores: Stores, me: str, others: Sequence[str]) -> None:
    conversations, messages = stores["conversations"], stores["messages"]
    await look(stores, me, others)
    first, events = begun(me, "c1", 1)
    await conversations.save(first, *events)
    await conversations.save(replace(first, id=f"{me}-c0"), *events)  # the lane is taken
    await conversations.note_task(me, first.id, 2, "billing", "ana")
    first = await conversations.get(me, first.id)
    await conversations.holding([first.id])
    await conversations.save(first, *first.reply("ana", "r-1", "Hi", NOW))
    first = await conversations.get(me, first.id)
    await messages.keep([(first, each) for each in first.staged])
    await conversations.unstage([first.id], [each.id for each in first.staged])
    await messages.merge_delivery(me, first.staged[1].id, Delivery.FAILED, "WHY")
    await _reach_for(stores, me, others)
    first = await conversations.get(me, first.id)
    crossed = await messages.unseen(first, Seen(), 100)
    await conversations.save(first, *first.close("ana", "r-2", NOW, crossed))
    await conversations.tell_close(await conversations.get(me, first.id))
    second, _ = begun(me, "c2", 2)
    second = replace(second, continues=first.id)
    await conversations.save(second, *second.take_over(crossed, "ana"))
    second = await conversations.get(me, second.id)
    await messages.keep([(second, each) for each in second.staged])
    await conversations.unstage([second.id], [each.id for each in second.staged])
    await conversations.of_all("crossing", lambda it: it.lane.tenant_id == me, 100)
    await conversations.continued(first.id)


async def _reach_for(stores: Stores, me: str, others: Sequence[str]) -> None:
    """Name what is another's, where a caller of mine may."""
    for other in others:
        theirs, events = begun(other, "c1", 1)
        mine = replace(theirs, id=f"{other}-c2", lane=lane(me), version=1, message_count=1)
        await stores["conversations"].note_task(me, f"{other}-c2", 9, "stolen", "eve")
        await stores["conversations"].save(mine, *events)
        reply = reply_id(other, theirs.id, "ana", "r-1")
        await stores["messages"].merge_delivery(me, reply, Delivery.READ, "")
        moved = Message(f"{other}-m1", Direction.INBOUND, "", NOW, NOW, 7, moved=True)
        await stores["messages"].keep([(replace(mine, continues=f"{other}-c2"), moved)])


async def look(stores: Stores, me: str, others: Sequence[str]) -> None:
    conversations, messages = stores["conversations"], stores["messages"]
    ids = [f"{one}-c{number}" for one in (me, *others) for number in (1, 2)]
    await conversations.latest_in(lane(me))
    await conversations.open_with(me, "web", ADDRESS)
    await conversations.open_on(me, "web")
    await conversations.closed_among(me, ids)
    await conversations.of_all(
        "open_since", lambda it: it[0] == me, NOW + timedelta(seconds=1), 100
    )
    for each in ids:
        await conversations.get(me, each)
        it = replace(begun(me, "c1", 1)[0], id=each)
        await conversations.following(it)
        await messages.after(it, None, 100)
        await messages.after(it, Place(NOW - timedelta(days=1), 0), 100)
        await messages.unseen(it, Seen(until=NOW - timedelta(days=1)), 100)
    for one in (me, *others):
        await messages.get(me, f"{one}-m1")
        await messages.among(me, [f"{one}-m1"])
        await messages.inbound(me, f"{one}-m1", f"former-{one}-m1")
        await messages.inbound(me, f"{one}-x", f"{one}-m1")


CASE = Case(opened, use, look)
