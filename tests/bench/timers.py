"""How late the moments of the router come: forced exits from after-service, seen from outside."""

import asyncio
import random
import tempfile
import time
from pathlib import Path

from centralita.dispatch.v1 import events_pb2 as public

from services.dispatch.domain.inputs import QueueConfigured, TaskClosed
from services.dispatch.domain.policy import AfterService, AfterServiceMode, Policy

from .dispatch import TENANT, Event, centre
from .figures import Figure, middle, percentiles

RUNS = 3
AGENTS, EXITS = 100, 500
LIMIT_MS = 1_000
LIMITED = Policy(after_service=AfterService(AfterServiceMode.LIMITED, limit_ms=LIMIT_MS))


def measure() -> list[Figure]:
    (p99, floor99) = middle([asyncio.run(_exits()) for _ in range(RUNS)])
    conditions = "forced exits, heard so long after their limit; floor: as many asyncio sleeps"
    return [Figure("dispatch.timer_late_ms_p99", p99, "ms", floor99, conditions)]


async def _exits() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as home:
        async with centre(home=Path(home)) as (floor, _, _):
            ends_at: dict[str, float] = {}
            late: list[float] = []
            done = asyncio.Event()

            rng = random.Random(1)
            working: set[asyncio.Task[None]] = set()

            async def work(task_id: str) -> None:
                await asyncio.sleep(rng.uniform(0, 1))
                await floor.tell(TaskClosed(TENANT, task_id))

            async def seen(event: Event) -> None:
                match event:
                    case public.TaskOffered():
                        await floor.accept(event)
                    case public.TaskAssigned():
                        one = asyncio.create_task(work(event.task_id))
                        working.add(one)
                        one.add_done_callback(working.discard)
                    case public.AfterServiceStarted():
                        ends_at[event.task_id] = event.ends_at.ToMilliseconds() / 1_000
                    case _:
                        late.append(time.time() - ends_at.pop(event.task_id))
                        if len(late) >= EXITS:
                            done.set()

            floor.seen = seen
            await floor.staff(AGENTS, 1)
            await floor.tell(QueueConfigured(TENANT, "q", 2, policy=LIMITED))
            sleeping = asyncio.create_task(_sleeps())
            for number in range(EXITS + AGENTS):
                await floor.submit(f"task-{number}")
            async with asyncio.timeout(60):
                await done.wait()
            for one in working:
                one.cancel()
            return percentiles(late)[1], percentiles(await sleeping)[1]


async def _sleeps() -> list[float]:
    """Return the seconds by which sleeps were late while the router was at work."""
    rng = random.Random(1)

    async def late(seconds: float) -> float:
        until = time.perf_counter() + seconds
        await asyncio.sleep(seconds)
        return time.perf_counter() - until

    return await asyncio.gather(*(late(rng.uniform(0, 6)) for _ in range(EXITS)))
