"""A tail is in order and without gaps, whatever happens to its consumer or its server."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from nats.js.errors import NotFoundError

from services.kernel.bus import Bus, BusUnavailable, connected
from services.kernel.reader import HEARTBEAT
from services.kernel.tail import Tailed, tail
from services.kernel.wire import Outgoing
from tests.handled import STREAM, queue_task
from tests.servers import NatsServer
from tests.streams import until


def raw(tenant: str, noun: str, body: bytes) -> Outgoing:
    return Outgoing(f"cc.{tenant}.{noun}", body, {})


async def first(bus: Bus, stream: str, count: int, **where: object) -> list[Tailed]:
    """Read until `count` messages were there."""
    read: list[Tailed] = []
    async with aclosing(tail(bus, stream, **where)) as batches:  # type: ignore[arg-type] # passed through
        async for batch in batches:
            read += batch
            if len(read) >= count:
                break
    return read


async def test_it_begins_behind_the_sequence_named(bus: Bus, tenant: str) -> None:
    start = (await bus.js.stream_info(STREAM)).state.last_seq
    for n in range(5):
        await queue_task(bus, tenant, f"task-{n}")
    read = await first(bus, STREAM, 3, after=start + 2)
    assert [one.sequence - start for one in read] == [3, 4, 5]
    assert [one.pending for one in read] == [2, 1, 0]
    assert read[0].headers["ce-type"] == "centralita.dispatch.v1.TaskQueued"


async def test_it_begins_with_what_was_stored_since_a_moment(bus: Bus, tenant: str) -> None:
    for n in range(16):
        await queue_task(bus, tenant, f"task-{n}")
    everything = await first(bus, STREAM, 16)
    for one in everything:  # each by its own moment, however that was rounded
        read = await first(bus, STREAM, 1, since=one.at)
        assert read[0].sequence == one.sequence


async def test_the_last_of_each_subject_then_all_that_follows(bus: Bus, tenant: str) -> None:
    for noun, body in [("a", b"1"), ("b", b"2"), ("a", b"3")]:
        await bus.publish(raw(tenant, f"contacts.v1.{noun}", body))
    read: list[bytes] = []
    pending: list[int] = []
    async with aclosing(tail(bus, "CONTACTS", last_per_subject=True)) as batches:
        async for batch in batches:
            read += [one.data for one in batch]
            pending += [one.pending for one in batch]
            if read == [b"2", b"3"]:
                assert pending == [1, 0]
                await bus.publish(raw(tenant, "contacts.v1.b", b"4"))
                await bus.publish(raw(tenant, "contacts.v1.b", b"5"))
            if len(read) == 4:
                break
    assert read == [b"2", b"3", b"4", b"5"]


async def test_only_the_subjects_asked_for(bus: Bus, tenant: str) -> None:
    for noun in ("task.queued.chat", "offer.ended.chat", "task.offered.chat"):
        await bus.publish(raw(tenant, f"dispatch.v1.{noun}", noun.encode()))
    wanted: Sequence[str] = ("cc.*.dispatch.v1.task.queued.*", "cc.*.dispatch.v1.task.offered.*")
    read = await first(bus, STREAM, 2, subjects=wanted)
    assert [one.data for one in read] == [b"task.queued.chat", b"task.offered.chat"]


async def test_nothing_to_begin_with_is_said_by_an_empty_batch(bus: Bus, tenant: str) -> None:
    await queue_task(bus, tenant, "old")
    async with aclosing(tail(bus, STREAM, new=True)) as batches:
        assert await anext(batches) == []
        await queue_task(bus, tenant, "new")
        (one,) = await anext(batches)
    assert b"new" in one.data


async def test_a_stream_that_does_not_exist_is_an_error(bus: Bus) -> None:
    with pytest.raises(NotFoundError):
        await first(bus, "NOWHERE", 1)


async def test_a_deleted_consumer_leaves_no_gap(bus: Bus, tenant: str) -> None:
    start = (await bus.js.stream_info(STREAM)).state.last_seq
    seen: list[int] = []

    async def follow() -> None:
        async with aclosing(tail(bus, STREAM)) as batches:
            async for batch in batches:
                seen.extend(one.sequence - start for one in batch)

    following = asyncio.create_task(follow())
    await queue_task(bus, tenant, "task-0")
    await until(lambda: seen == [1])
    (consumer,) = await bus.js.consumers_info(STREAM)
    await bus.js.delete_consumer(STREAM, consumer.name)
    for n in range(10):
        await queue_task(bus, tenant, f"lost-{n}")
    await until(lambda: seen == list(range(1, 12)), within=8)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_restarts_under_load_leave_no_gap(private_nats: NatsServer, tenant: str) -> None:
    seen: list[int] = []
    stopping = asyncio.Event()
    async with (
        connected(private_nats.url, name="reader") as reading,
        connected(private_nats.url, name="writer") as writing,
    ):

        async def follow() -> None:
            async with aclosing(tail(reading, STREAM)) as batches:
                async for batch in batches:
                    seen.extend(one.sequence for one in batch)

        async def write() -> int:
            stored = 0
            while not stopping.is_set():
                try:
                    await queue_task(writing, tenant, f"task-{stored}", event_id=f"e-{stored}")
                except BusUnavailable:
                    continue
                stored += 1
            return stored

        following, writer = asyncio.create_task(follow()), asyncio.create_task(write())
        for _ in range(3):
            await asyncio.sleep(0.3)
            private_nats.kill()
            await asyncio.to_thread(private_nats.start)
            await asyncio.sleep(0.3)
        stopping.set()
        stored = await writer
        await until(lambda: len(seen) >= stored)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert stored > 100
    assert seen == list(range(1, stored + 1))


async def test_a_large_backlog_comes_whole_and_in_batches(bus: Bus, tenant: str) -> None:
    body, count = b"x" * 2000, 5000
    for _ in range(count):
        await bus.nc.publish(f"cc.{tenant}.dispatch.v1.task.queued.chat", body)
    await bus.nc.flush()
    start = (await bus.js.stream_info(STREAM)).state.first_seq
    read = await first(bus, STREAM, count)
    assert [one.sequence for one in read] == list(range(start, start + count))


async def test_a_message_does_not_wait_for_the_next_heartbeat(bus: Bus, tenant: str) -> None:
    async with aclosing(tail(bus, STREAM, new=True)) as batches:
        await anext(batches)
        for n in range(50):
            publishing = asyncio.create_task(queue_task(bus, tenant, f"task-{n}"))
            async with asyncio.timeout(HEARTBEAT / 2):
                await anext(batches)
            await publishing


async def test_nothing_is_left_on_the_server_after_reading(bus: Bus, tenant: str) -> None:
    await queue_task(bus, tenant)
    await first(bus, STREAM, 1)

    async def no_consumer() -> bool:
        return not await bus.js.consumers_info(STREAM)

    await until(no_consumer, within=10)
