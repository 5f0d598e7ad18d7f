"""A shard moves from one dispatch process to another under load, seen from outside."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from centralita.dispatch.v1 import events_pb2 as public
from nats.js.errors import KeyNotFoundError

from services.kernel import streams
from services.kernel.bus import Bus, connected
from tests.processes import ServiceProcess
from tests.servers import nats_server

from .dispatch import TENANT, Event, Floor, until_told
from .figures import Figure
from .floors import paced

RUNS = 3
AGENTS, PER_S = 500, 200.0
WAITING = 20_000
"""Tasks of a queue that nobody serves: what the successor has to fold besides."""
BEFORE_S, AFTER_S = 1.0, 2.0


def measure() -> list[Figure]:
    planned = [asyncio.run(_moved(ServiceProcess.stop)) for _ in range(RUNS)]
    lost = [asyncio.run(_moved(ServiceProcess.kill)) for _ in range(RUNS)]
    load = f"{PER_S:.0f} tasks/s, {WAITING:,} waiting, 2 processes"
    return [
        Figure(
            "dispatch.planned_move_ms",
            statistics.median(planned) * 1e3,
            "ms",
            None,
            f"SIGTERM to the owner; the latest offer after its task; {load}",
        ),
        Figure(
            "dispatch.failover_s",
            statistics.median(lost),
            "s",
            None,
            f"SIGKILL to the owner, to the next offer; {load}",
        ),
    ]


async def _moved(end: Callable[[ServiceProcess], object]) -> float:
    """Return the longest time from a task to its offer while the shard's owner ends."""
    with tempfile.TemporaryDirectory() as home:
        async with _two(Path(home)) as (floor, bus, owner):
            sent: dict[str, float] = {}
            took: dict[str, float] = {}

            async def seen(event: Event) -> None:
                if isinstance(event, public.TaskOffered):
                    took[event.task_id] = time.perf_counter() - sent[event.task_id]
                    await floor.accept(event)
                elif isinstance(event, public.TaskAssigned):
                    await floor.complete(event.task_id, event.agent_id)

            floor.seen = seen
            await floor.staff(AGENTS, 3)
            for number in range(WAITING):
                await floor.submit(f"waiting-{number}", queue_id="nobody")
            await until_told(bus, WAITING)
            ending: asyncio.Task[object] | None = None
            count = int(PER_S * (BEFORE_S + AFTER_S))
            async for number in paced(count, PER_S):
                if number == int(PER_S * BEFORE_S):
                    ending = asyncio.create_task(asyncio.to_thread(end, owner))
                sent[f"task-{number}"] = time.perf_counter()
                await floor.submit(f"task-{number}")
            async with asyncio.timeout(30):
                while len(took) < count:  # noqa: ASYNC110 - the offers are not ours to signal
                    await asyncio.sleep(0.05)
            if ending is not None:
                await ending
            return max(took.values())


@asynccontextmanager
async def _two(home: Path) -> AsyncIterator[tuple[Floor, Bus, ServiceProcess]]:
    """Start the owner of the one shard, and a process beside it."""
    with nats_server(home / "nats") as server:
        async with connected(server.url, name="bench") as bus:
            await streams.apply(bus.js)
            said = {"NATS_URL": server.url, "SHARDS": "1"}
            both = [ServiceProcess(home / name, "dispatch", said) for name in ("a", "b")]
            try:
                await asyncio.to_thread(both[0].start)
                await _owned(bus)
                await asyncio.to_thread(both[1].start)
                floor = Floor(bus)
                await bus.js.subscribe(
                    f"cc.{TENANT}.dispatch.>",
                    stream="DISPATCH",
                    ordered_consumer=True,
                    cb=floor.hear,
                )
                yield floor, bus, both[0]
            finally:
                for process in both:
                    await asyncio.to_thread(process.kill)


async def _owned(bus: Bus) -> None:
    bucket = await bus.js.key_value("dispatch-leases")
    async with asyncio.timeout(30):
        while True:
            with suppress(KeyNotFoundError):
                if (await bucket.get("shard-0")).value:
                    return
            await asyncio.sleep(0.05)
