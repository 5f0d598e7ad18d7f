"""NATS goes away and comes back: everything resumes by itself (R9, and R5 for publishes)."""

import asyncio
import time

import pytest

from services.kernel.bus import Bus, BusUnavailable, connected
from services.kernel.consume import consuming
from tests.handled import STREAM, Recorder, queue_task
from tests.integration.kernel.following import following
from tests.loop_lag import measured
from tests.servers import NatsServer
from tests.streams import until


async def publish_until_stored(bus: Bus, tenant: str, task: str) -> None:
    while True:
        try:
            await queue_task(bus, tenant, task, event_id=task)
        except BusUnavailable:
            await asyncio.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("outage", [1.0, 10.0])
async def test_after_an_outage_all_resume_sooner_than_the_client_alone_would(
    private_nats: NatsServer, tenant: str, outage: float
) -> None:
    recorder = Recorder()
    async with (
        connected(private_nats.url, name="tests") as bus,
        following(bus, STREAM) as seen,
        consuming(bus, recorder.router()),
    ):
        await queue_task(bus, tenant, "before")
        await until(lambda: recorder.done == ["before"] and seen == [1])
        private_nats.kill()
        async with measured() as lag:
            publishing = asyncio.create_task(publish_until_stored(bus, tenant, "after"))
            await asyncio.sleep(outage)
            await asyncio.to_thread(private_nats.start)
            back = time.monotonic()
            await until(lambda: set(recorder.done) == {"before", "after"} and seen == [1, 2])
            assert time.monotonic() - back < 3.5  # the client alone takes 4
            await publishing
        assert lag.worst < 1
        assert lag.cpu_share < 0.3
        for n in range(20):
            await queue_task(bus, tenant, f"later-{n}")
        await until(lambda: len(set(recorder.done)) == 22 and seen == list(range(1, 23)))


async def test_a_frozen_server_is_waited_for(private_nats: NatsServer, tenant: str) -> None:
    recorder = Recorder()
    async with (
        connected(private_nats.url, name="tests") as bus,
        following(bus, STREAM) as seen,
        consuming(bus, recorder.router()),
    ):
        private_nats.freeze()
        async with measured() as lag:
            publishing = asyncio.create_task(publish_until_stored(bus, tenant, "task-1"))
            await asyncio.sleep(8)
            private_nats.thaw()
            thawed = time.monotonic()
            await until(lambda: recorder.done and seen)
            assert time.monotonic() - thawed < 3.5
            await publishing
        assert lag.worst < 1
        assert seen == [1]


async def test_a_publish_that_timed_out_is_repeated_without_becoming_two(
    private_nats: NatsServer, tenant: str
) -> None:
    async with connected(private_nats.url, name="tests") as bus:
        private_nats.kill()
        with pytest.raises(BusUnavailable):
            await queue_task(bus, tenant, event_id="once")
        await asyncio.to_thread(private_nats.start)
        await until(lambda: bus.nc.is_connected)
        await publish_until_stored(bus, tenant, "once")
        assert await queue_task(bus, tenant, event_id="once") is True
        assert (await bus.js.stream_info(STREAM)).state.messages == 1


async def test_a_service_starts_before_its_server(private_nats: NatsServer, tenant: str) -> None:
    private_nats.kill()

    async def begin() -> bool:
        async with connected(private_nats.url, name="tests") as bus:
            return await queue_task(bus, tenant)

    starting = asyncio.create_task(begin())
    await asyncio.sleep(0.5)
    await asyncio.to_thread(private_nats.start)
    assert await starting is False


async def test_leaving_during_an_outage_takes_no_longer_than_its_deadlines(
    private_nats: NatsServer,
) -> None:
    async with (
        connected(private_nats.url, name="tests") as bus,
        consuming(bus, Recorder().router()),
        following(bus, STREAM),
    ):
        private_nats.kill()
        await until(lambda: not bus.nc.is_connected)
        began = time.monotonic()
    assert time.monotonic() - began < 5
