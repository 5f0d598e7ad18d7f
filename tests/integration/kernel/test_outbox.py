"""Events leave with the state they belong to, at least once and in order (R5, R15)."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from centralita.dispatch.v1.events_pb2 import TaskQueued
from nats.errors import MaxPayloadError
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pymongo import ReturnDocument

from services.kernel.bus import Bus, BusUnavailable, connected
from services.kernel.mongo import Database, database
from services.kernel.outbox import (
    LARGEST_EVENT,
    PULLED_AT_ONCE,
    Collection,
    Outbox,
    entry,
    outbox,
    pulling,
)
from services.kernel.tail import Tailed, tail
from services.kernel.wire import Outgoing
from tests.handled import STREAM, queue_task
from tests.servers import MongoServer, NatsServer
from tests.streams import until


def queued(tenant: str, task: str) -> dict[str, Any]:
    return entry(TaskQueued(tenant_id=tenant, task_id=task, queue_id="q"), datetime.now(UTC))


def test_an_event_that_would_never_leave_is_refused_before_it_is_stored() -> None:
    with pytest.raises(MaxPayloadError):
        queued("t", "x" * (LARGEST_EVENT + 1))


async def save(things: Collection, key: str, *entries: dict[str, Any]) -> None:
    """Write as a repository does: state and events in one conditional write."""
    change = {"$inc": {"version": 1}, "$push": {"outbox": {"$each": list(entries)}}}
    await things.update_one({"_id": key}, change, upsert=True)


async def stored(bus: Bus, count: int, after: int = 0) -> list[Tailed]:
    read: list[Tailed] = []
    async with aclosing(tail(bus, STREAM, after=after)) as batches:
        async with asyncio.timeout(5):
            async for batch in batches:
                read += batch
                if len(read) >= count:
                    break
    return read


def ids(read: list[Tailed]) -> list[str]:
    return [one.headers["Nats-Msg-Id"] for one in read]


async def test_a_nudge_publishes_in_order_and_empties_the_outbox(
    bus: Bus, db: Database, tenant: str
) -> None:
    entries = [queued(tenant, f"task-{n}") for n in range(5)]
    async with outbox(db["things"], bus) as relay:
        await save(db["things"], "one", *entries)
        await relay.nudge("one")
    assert ids(await stored(bus, 5)) == [one["id"] for one in entries]
    assert (await db["things"].find_one({"_id": "one"}) or {})["outbox"] == []


async def test_nudges_that_overlap_lose_nothing_and_keep_the_order(
    bus: Bus, db: Database, tenant: str
) -> None:
    sent: list[str] = []
    async with outbox(db["things"], bus) as relay:
        for n in range(30):
            one = queued(tenant, f"task-{n}")
            await save(db["things"], "one", one)
            relay.nudge("one")
            sent.append(one["id"])
        assert ids(await stored(bus, 30)) == sent


async def test_a_nudge_that_is_told_what_waits_need_not_read(
    bus: Bus, db: Database, tenant: str
) -> None:
    entries = [queued(tenant, f"task-{n}") for n in range(2)]
    async with outbox(db["things"], bus) as relay:
        saved = await db["things"].find_one_and_update(
            {"_id": "one"},
            {"$push": {"outbox": {"$each": entries}}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        await relay.nudge("one", saved["outbox"])
    assert await empty(db["things"]), "leaving pulls what is out"
    assert ids(await stored(bus, 2)) == [one["id"] for one in entries]


async def test_a_write_of_the_owners_own_takes_out_what_has_left_and_nothing_else(
    bus: Bus, db: Database, tenant: str
) -> None:
    first, second = queued(tenant, "task-1"), queued(tenant, "task-2")
    relay = Outbox(db["things"], bus)
    await save(db["things"], "one", first)
    await relay.nudge("one", [first])
    out = relay.out(["one", "unknown"])
    assert out == {"one": {first["id"]}}

    await save(db["things"], "one", second)
    await db["things"].update_one({"_id": "one"}, {"$set": {"seen": 1}, "$pull": pulling(out)})
    relay.pulled(out)
    left = (await db["things"].find_one({"_id": "one"}) or {})["outbox"]
    assert [each["id"] for each in left] == [second["id"]]
    assert relay.out(["one"]) == {}

    await relay.nudge("one")
    await relay.close()
    assert await empty(db["things"])
    assert ids(await stored(bus, 2)) == [first["id"], second["id"]]


async def test_an_owner_that_pulls_is_given_what_it_left_again(
    bus: Bus, db: Database, tenant: str
) -> None:
    things, asked = db["things"], list[list[str]]()
    relay = Outbox(things, bus)

    async def pull(document_ids: Sequence[str]) -> None:
        asked.append(list(document_ids))
        out = relay.out(document_ids)
        if len(asked) == 1:
            out.popitem()
        wanted = {"_id": {"$in": list(out)}}
        await things.update_many(wanted, {"$set": {"seen": 1}, "$pull": pulling(out)})
        relay.pulled(out)

    relay.pull_with(pull)
    for n in range(PULLED_AT_ONCE + 2):
        await save(things, f"thing-{n}", queued(tenant, f"task-{n}"))
        relay.nudge(f"thing-{n}")
    await until(lambda: empty(things))
    assert max(map(len, asked)) <= PULLED_AT_ONCE
    given = [one for each in asked for one in each]
    assert sorted(given) == sorted(
        [*(f"thing-{n}" for n in range(PULLED_AT_ONCE + 2)), asked[0][-1]]
    )
    assert await things.count_documents({"seen": 1}) == PULLED_AT_ONCE + 2
    await relay.close()


async def test_a_document_that_its_owner_cannot_pull_holds_up_no_other(
    bus: Bus, db: Database, tenant: str
) -> None:
    things, broken, tried = db["things"], {"thing-1"}, list[str]()
    relay = Outbox(things, bus)

    async def pull(document_ids: Sequence[str]) -> None:
        tried.extend(document_ids)
        if broken.intersection(document_ids):
            raise ValueError("it cannot be read")
        out = relay.out(document_ids)
        await things.update_many({"_id": {"$in": list(out)}}, {"$pull": pulling(out)})
        relay.pulled(out)

    async def holding() -> list[str]:
        return [one["_id"] async for one in things.find({"outbox.id": {"$gt": ""}})]

    async def nudged(name: str) -> None:
        await save(things, name, one := queued(tenant, "task"))
        await relay.nudge(name, [one])

    relay.pull_with(pull)
    for n in range(PULLED_AT_ONCE + 2):
        await nudged(f"thing-{n}")

    async def only_one_is_left() -> bool:
        return await holding() == ["thing-1"]

    await until(only_one_is_left)
    await nudged("another")
    await until(only_one_is_left)
    in_vain = tried.count("thing-1")
    assert in_vain <= 2, "with others, then alone; not for ever"
    broken.clear()
    await nudged("thing-1")
    await until(lambda: empty(things))
    assert tried.count("thing-1") == in_vain + 1
    await relay.close()


async def test_the_sweep_finds_what_nobody_nudged(bus: Bus, db: Database, tenant: str) -> None:
    async with outbox(db["things"], bus):
        await asyncio.sleep(0.1)
        one = queued(tenant, "task-1")
        await save(db["things"], "one", one)
        assert ids(await stored(bus, 1)) == [one["id"]]


async def test_a_relay_that_died_between_publish_and_pull_makes_no_second_event(
    bus: Bus, db: Database, tenant: str
) -> None:
    entries = [queued(tenant, f"task-{n}") for n in range(3)]
    await save(db["things"], "one", *entries)
    relay = Outbox(db["things"], bus)
    relay.nudge("one")
    await until(lambda: has_messages(bus, 1))
    for lane in tuple(relay._lanes.values()):
        if lane.task is not None:
            lane.task.cancel()
    if relay._pulling is not None:
        relay._pulling.cancel()
    async with outbox(db["things"], bus):
        assert ids(await stored(bus, 3)) == [one["id"] for one in entries]
        await until(lambda: empty(db["things"]))
    assert await has_messages(bus, 3)
    assert not await has_messages(bus, 4)


def fail_once(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    publish, failures = bus.publish, iter([BusUnavailable()])

    async def flaky(message: Outgoing) -> bool:
        for failure in failures:
            raise failure
        return await publish(message)

    monkeypatch.setattr(bus, "publish", flaky)


async def test_what_is_told_later_does_not_overtake_what_failed(
    bus: Bus, db: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = queued(tenant, "task-1"), queued(tenant, "task-2")
    fail_once(bus, monkeypatch)
    relay = Outbox(db["things"], bus)
    await save(db["things"], "one", first)
    await relay.nudge("one", [first])
    await save(db["things"], "one", second)
    await relay.nudge("one", [second])
    await relay.close()
    assert ids(await stored(bus, 2)) == [first["id"], second["id"]]


async def test_a_sweep_sends_what_an_outage_left_beside_an_entry_that_nobody_can_send(
    bus: Bus, db: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged, good = queued(tenant, "task-1"), queued(tenant, "task-2")
    relay = Outbox(db["things"], bus)
    await save(db["things"], "one", damaged | {"headers": None})
    await relay.nudge("one")
    fail_once(bus, monkeypatch)
    await save(db["things"], "one", good)
    await relay.nudge("one")
    await relay.sweep()
    assert ids(await stored(bus, 1)) == [good["id"]]
    await relay.close()


async def has_messages(bus: Bus, count: int) -> bool:
    return (await bus.js.stream_info(STREAM)).state.messages >= count


async def empty(things: Collection) -> bool:
    return not await things.find_one({"outbox.id": {"$gt": ""}})


async def test_a_nudged_event_does_not_wait_for_the_sweep(
    bus: Bus, db: Database, tenant: str
) -> None:
    relay = Outbox(db["things"], bus)  # nobody sweeps this one
    entries = [queued(tenant, f"task-{n}") for n in range(40)]
    for n, one in enumerate(entries):
        await save(db["things"], f"thing-{n}", one)
        await relay.nudge(f"thing-{n}")
        assert await has_messages(bus, n + 1)
    await relay.close()
    assert ids(await stored(bus, 40)) == [one["id"] for one in entries]


async def test_the_trace_of_the_write_goes_on_behind_the_relay(
    bus: Bus, db: Database, tenant: str
) -> None:
    tracer = TracerProvider().get_tracer("tests")
    with tracer.start_as_current_span("write") as span:
        one = queued(tenant, "task-1")
    assert not trace.get_current_span().get_span_context().is_valid
    async with outbox(db["things"], bus) as relay:
        await save(db["things"], "one", one)
        await relay.nudge("one")
    (read,) = await stored(bus, 1)
    assert format(span.get_span_context().trace_id, "032x") in read.headers["traceparent"]


async def test_during_an_outage_of_the_bus_events_wait(
    private_nats: NatsServer, mongo_url: str, tenant: str
) -> None:
    async with (
        connected(private_nats.url, name="tests") as bus,
        database(mongo_url, f"outage_{tenant.replace('-', '_')}") as db,
        outbox(db["things"], bus) as relay,
    ):
        private_nats.kill()
        entries = [queued(tenant, f"task-{n}") for n in range(3)]
        for n, one in enumerate(entries):
            await save(db["things"], f"thing-{n}", one)
            relay.nudge(f"thing-{n}")
        await asyncio.sleep(1)
        await asyncio.to_thread(private_nats.start)
        back = time.monotonic()
        await until(lambda: empty(db["things"]))
        assert time.monotonic() - back < 3
        assert sorted(ids(await stored(bus, 3))) == sorted(one["id"] for one in entries)


async def test_an_outage_of_the_store_heals_by_itself(
    bus: Bus, private_mongo: MongoServer, tenant: str
) -> None:
    async with (
        database(private_mongo.url, "outage") as db,
        outbox(db["things"], bus),
    ):
        await db["things"].insert_one({"_id": "before"})
        private_mongo.kill()
        await asyncio.sleep(1.5)
        await asyncio.to_thread(private_mongo.start)
        one = queued(tenant, "task-1")
        await save(db["things"], "one", one)
        assert ids(await stored(bus, 1)) == [one["id"]]
        assert await db["things"].find_one({"_id": "before"})


async def test_an_event_of_an_id_published_before_is_one_message(bus: Bus, tenant: str) -> None:
    assert await queue_task(bus, tenant, event_id="same") is False
    assert await queue_task(bus, tenant, event_id="same") is True
