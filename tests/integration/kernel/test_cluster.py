"""A cluster loses its leader: nothing is lost, and work goes on within ten seconds (R10)."""

import asyncio
import time
from pathlib import Path

import pytest
from nats.errors import Error

from services.kernel import streams
from services.kernel.bus import Bus, BusUnavailable, connected
from services.kernel.consume import consuming
from tests.handled import STREAM, Recorder, queue_task
from tests.integration.kernel.following import following
from tests.loop_lag import measured
from tests.servers import nats_cluster
from tests.streams import until


async def applied(bus: Bus) -> None:
    """Apply the streams as soon as the cluster has elected who may."""
    give_up = time.monotonic() + 30
    while True:
        try:
            await streams.apply(bus.js, replicas=3)
        except (Error, TimeoutError):
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def leader(bus: Bus) -> str:
    info = await bus.js.stream_info(STREAM)
    return (info.cluster.leader if info.cluster else None) or ""


@pytest.mark.timeout(120)
async def test_the_loss_of_the_leader_loses_nothing(tmp_path: Path, tenant: str) -> None:
    recorder, stored, stopping = Recorder(), list[str](), asyncio.Event()
    gaps: list[float] = []

    async def write(bus: Bus) -> None:
        last = time.monotonic()
        while not stopping.is_set():
            task = f"task-{len(stored)}"
            try:
                await queue_task(bus, tenant, task, event_id=task)
            except BusUnavailable:
                continue
            stored.append(task)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()
            await asyncio.sleep(0.005)

    with nats_cluster(tmp_path) as cluster:
        async with connected(cluster.url, name="tests") as bus:
            await applied(bus)
            async with (
                following(bus, STREAM) as seen,
                consuming(bus, recorder.router()),
                measured() as lag,
            ):
                writer = asyncio.create_task(write(bus))
                await until(lambda: len(recorder.done) > 50, within=15)
                cluster.named(await leader(bus)).kill()
                killed_at = len(stored)
                await until(lambda: len(stored) > killed_at + 50, within=20)
                stopping.set()
                await writer
                await until(lambda: set(recorder.done) == set(stored), within=20)
                await until(lambda: len(seen) == len(stored))
    assert seen == sorted(seen)
    assert max(gaps) < 10
    assert lag.worst < 1
