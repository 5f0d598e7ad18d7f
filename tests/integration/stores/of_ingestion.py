"""Deliveries and visitors' replies: the same accounts, visitors, conversations and messages."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.ingestion.adapters.mongo import MongoDeliveries, MongoReplies, create_indexes
from services.ingestion.domain.account import Channel
from services.ingestion.domain.delivery import Reply, Status
from services.ingestion.domain.visitor import Visitor
from services.kernel.mongo import Database
from tests.integration.stores.witness import ME, NOW, Case, Stores, clock

LONG_AGO = NOW - timedelta(days=1)


@asynccontextmanager
async def opened(db: Database) -> AsyncIterator[Mapping[str, Any]]:
    await create_indexes(db)
    yield {"deliveries": MongoDeliveries(db), "replies": MongoReplies(db, clock)}


def reply(tenant: str, message_id: str, position: int) -> Reply:
    return Reply(
        tenant,
        "c-1",
        message_id,
        Channel.WEBCHAT,
        "web",
        "visitor-1",
        f"for {tenant}",
        NOW,
        position,
    )


async def use(stores: Stores, me: str, others: Sequence[str]) -> None:
    deliveries, replies = stores["deliveries"], stores["replies"]
    await look(stores, me, others)
    # Mine comes after theirs in the stream, and theirs is never settled.
    one, two = reply(me, "m-1", 10 if me == ME else 1), reply(me, "m-2", 20 if me == ME else 2)
    for each in (one, two) if me == ME else (one,):
        begun = await deliveries.begin(each, NOW)
        await deliveries.is_behind(begun, LONG_AGO)
        await deliveries.tried(each)
        await replies.keep(Visitor(me, "web", "visitor-1"), each)
        await replies.keep(Visitor(me, "web", "visitor-1"), each)
    if me == ME:
        await deliveries.settle(one, Status.FAILED, "WHY")
    await deliveries.begin(replace(one, position=99), NOW)


async def look(stores: Stores, me: str, _: Sequence[str]) -> None:
    for message_id in ("m-1", "m-2"):
        found = await stores["deliveries"].find(me, message_id)
        if found is not None:
            await stores["deliveries"].is_behind(found, LONG_AGO)
    await stores["replies"].after(Visitor(me, "web", "visitor-1"), 0, 100)


CASE = Case(opened, use, look)
