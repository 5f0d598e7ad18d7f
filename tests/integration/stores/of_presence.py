"""Presences, their history and calls: the same users and the same tasks."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from services.kernel.bus import Bus
from services.kernel.mongo import Database
from services.kernel.outbox import outbox
from services.presence.adapters import mongo, mongo_calls, mongo_history
from services.presence.domain.bans import Ban, WayBack
from services.presence.domain.calls import Call
from services.presence.domain.history import change_of
from services.presence.domain.presence import Presence
from services.presence.domain.status import Cause, Stage
from tests.integration.stores.witness import ME, NOW, Case, SilentBus, Stores, clock

CHOICE = timedelta(minutes=1)
USERS = ("ana", "bo")


@asynccontextmanager
async def opened(db: Database) -> AsyncIterator[Mapping[str, Any]]:
    async with outbox(db["presences"], cast(Bus, SilentBus())) as relay:
        await mongo.prepare(db["presences"])
        await mongo_calls.prepare(db["calls"])
        await mongo_history.prepare(db["history"])
        history = mongo_history.MongoHistory(db["history"])
        yield {
            "history": history,
            "presences": mongo.MongoPresences(db["presences"], history, relay.nudge, clock),
            "calls": mongo_calls.MongoCalls(db["calls"], clock),
        }


async def use(stores: Stores, me: str, others: Sequence[str]) -> None:
    presences, history, calls = stores["presences"], stores["history"], stores["calls"]
    await look(stores, me, others)
    # Mine are as far as nobody else's, in any direction.
    for user_id in USERS[: 1 if me == ME else 2]:
        new = Presence(me, user_id)
        there = new.connect(NOW, CHOICE)
        await presences.save(new, there)
        await presences.save(new, there)  # a lost race
        ban = Ban(Cause.OFFER_DECLINED, WayBack.COOL_DOWN, NOW)
        banned = replace(there, ban=ban, version=2, at=NOW + timedelta(seconds=1))
        await presences.save(there, banned)
        await presences.save(there, banned)
        await history.keep(change_of(banned))
        await history.keep_soon(change_of(banned))
        await history.keep(change_of(banned))
        await history.forget((me, user_id), 2)
        call = Call(me, "task-1", version=0).rung(1, user_id)
        before = await calls.read((me, "task-1")) or Call(me, "task-1")
        await calls.save(before, replace(call, version=before.version))
        await calls.save(before, call)  # a lost race
    if me == ME:
        return
    before = await calls.read((me, "task-1"))
    await calls.save(before, before.held(2, "ana", Stage.IN_SERVICE))
    await presences.heard((me, "cy"), 7)


async def look(stores: Stores, me: str, _: Sequence[str]) -> None:
    presences, history, calls = stores["presences"], stores["history"], stores["calls"]
    for user_id in (*USERS, "cy"):
        user = (me, user_id)
        await presences.recalled(user)
        await presences.read(user)
        await presences.recalled(user)
        await presences.heard(user, 1)
        await presences.remember(Presence(me, user_id, version=1))
        await history.newest(user, 0, None, 100)
        await history.newest(user, 9, NOW + timedelta(days=1), 100)
        await history.since(user, NOW - timedelta(days=1), NOW + timedelta(days=1))
        await history.since(user, NOW + timedelta(seconds=1), NOW + timedelta(days=1))
        await calls.stage_of(user)
    await calls.read((me, "task-1"))
    await presences.page(me, "", 100)
    await presences.page(me, "ana", 100)
    await presences.of_all("cooled", lambda it: it[0] == me, NOW, 100)
    await presences.of_all("connected", lambda it: it.tenant_id == me)


CASE = Case(opened, use, look)
