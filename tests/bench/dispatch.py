"""One dispatch process under load, seen from outside."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from centralita.dispatch.v1 import events_pb2 as public
from nats.aio.msg import Msg

from services.dispatch.adapters.inputs import encode_input
from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    Command,
    CompleteTask,
    Fact,
    PresenceObserved,
    QueueConfigured,
    Role,
    TaskSubmitted,
)
from services.kernel import streams
from services.kernel.bus import Bus, connected
from tests.processes import ServiceProcess
from tests.servers import nats_server

from .figures import Figure, middle, percentiles
from .floors import paced, publish_to_consume, synced

RUNS = 3
TENANT = "bench"
OFFERS, OFFERS_PER_S = 1_000, 200.0
GAPS, BUSY_AGENTS, BACKLOG, SERVICE_S = 1_000, 50, 500, 1.0
THROUGHPUT_TASKS, IN_FLIGHT = 9_000, 400
LOST_BACKLOG = 20_000

Event = public.TaskOffered | public.TaskAssigned | public.AfterServiceStarted | public.TaskCompleted
_KINDS: dict[str, type[Event]] = {
    "offered": public.TaskOffered,
    "assigned": public.TaskAssigned,
    "started": public.AfterServiceStarted,
    "completed": public.TaskCompleted,
}


class Floor:
    """The people on the floor, played: they see public events and send commands."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._commands = 0
        self.seen: Callable[[Event], Coroutine[Any, Any, None]] | None = None

    async def tell(self, it: Fact | Command) -> None:
        await self._bus.nc.publish("dispatch.in.0", encode_input(it))

    async def staff(self, agents: int, capacity: int) -> None:
        await self.tell(QueueConfigured(TENANT, "q", 1))
        for number in range(agents):
            name = f"agent-{number}"
            await self.tell(AgentConfigured(TENANT, name, 1, False, ("q",), (), capacity))
            await self.tell(PresenceObserved(TENANT, name, 1, True, True))

    async def submit(self, task_id: str, queue_id: str = "q") -> None:
        now = time.time_ns() // 1_000_000
        await self.tell(TaskSubmitted(TENANT, task_id, queue_id, now))

    async def accept(self, offer: public.TaskOffered) -> None:
        self._commands += 1
        request = f"r{self._commands}"
        await self.tell(AcceptOffer(TENANT, offer.task_id, offer.agent_id, request))

    async def complete(self, task_id: str, agent_id: str) -> None:
        self._commands += 1
        request = f"r{self._commands}"
        await self.tell(CompleteTask(TENANT, task_id, agent_id, Role.AGENT, request))

    async def hear(self, message: Msg) -> None:
        kind = _KINDS.get(message.subject.split(".")[5])  # cc.<tenant>.dispatch.v1.<noun>.<done>
        if kind is not None and self.seen is not None:
            await self.seen(kind.FromString(message.data))


def measure() -> list[Figure]:
    plain = [asyncio.run(_offers(synced_writes=False)) for _ in range(RUNS)]
    always = [asyncio.run(_offers(synced_writes=True)) for _ in range(RUNS)]
    gaps = [asyncio.run(_idle_gaps()) for _ in range(RUNS)]
    rate = statistics.median(asyncio.run(_throughput()) for _ in range(RUNS))
    recovery = statistics.median(asyncio.run(_recovery()) for _ in range(RUNS))
    figures = []
    for name, runs, conditions in (
        ("offer", plain, "500 agents, 200 tasks/s; floor: JetStream publish to push consumer"),
        ("offer_synced", always, "the same, sync_interval always"),
        ("idle_gap", gaps, "500 waiting, 50 agents; floor: as for offers"),
    ):
        p50, p99, floor50, floor99 = middle(runs)
        figures += [
            Figure(f"dispatch.{name}_ms_p50", p50, "ms", floor50, conditions),
            Figure(f"dispatch.{name}_ms_p99", p99, "ms", floor99, conditions),
        ]
    return [
        *figures,
        Figure(
            "dispatch.tasks_per_s", rate, "1/s", None, "submit, offer, accept, complete; 1 process"
        ),
        Figure(
            "dispatch.recovery_s",
            recovery,
            "s",
            None,
            f"SIGKILL with {LOST_BACKLOG:,} waiting, started anew, to the next offer",
        ),
    ]


@asynccontextmanager
async def centre(*extra: str, home: Path) -> AsyncIterator[tuple[Floor, Bus, ServiceProcess]]:
    with nats_server(home / "nats", *extra) as server:
        async with connected(server.url, name="bench") as bus:
            await streams.apply(bus.js)
            process = ServiceProcess(home, "dispatch", {"NATS_URL": server.url, "SHARDS": "1"})
            await asyncio.to_thread(process.start)
            try:
                floor = Floor(bus)
                subject = f"cc.{TENANT}.dispatch.>"
                await bus.js.subscribe(
                    subject, stream="DISPATCH", ordered_consumer=True, cb=floor.hear
                )
                yield floor, bus, process
            finally:
                await asyncio.to_thread(process.stop)


async def _offers(*, synced_writes: bool) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as home:
        extra = synced(Path(home)) if synced_writes else ()
        async with centre(*extra, home=Path(home)) as (floor, bus, _):
            sent: dict[str, float] = {}
            took: list[float] = []
            left = OFFERS
            done = asyncio.Event()

            async def seen(event: Event) -> None:
                nonlocal left
                if isinstance(event, public.TaskOffered):
                    took.append(time.perf_counter() - sent[event.task_id])
                    await floor.accept(event)
                elif isinstance(event, public.TaskAssigned):
                    await floor.complete(event.task_id, event.agent_id)
                else:
                    left -= 1
                    if left == 0:
                        done.set()

            floor.seen = seen
            await floor.staff(500, 3)
            base = await publish_to_consume(bus, OFFERS_PER_S)
            async for number in paced(OFFERS, OFFERS_PER_S):
                sent[f"task-{number}"] = time.perf_counter()
                await floor.submit(f"task-{number}")
            async with asyncio.timeout(30):
                await done.wait()
            return *percentiles(took), *percentiles(base)


async def _idle_gaps() -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as home:
        async with centre(home=Path(home)) as (floor, bus, _):
            base = await publish_to_consume(bus, BUSY_AGENTS / SERVICE_S)
            idle_since: dict[str, float] = {}
            took: list[float] = []
            submitted = BACKLOG + BUSY_AGENTS
            done = asyncio.Event()
            rng = random.Random(1)
            working: set[asyncio.Task[None]] = set()

            async def work(task_id: str, agent_id: str) -> None:
                nonlocal submitted
                submitted += 1
                await floor.submit(f"task-{submitted}")
                await asyncio.sleep(rng.uniform(0.5, 1.5) * SERVICE_S)
                idle_since[agent_id] = time.perf_counter()
                await floor.complete(task_id, agent_id)

            async def seen(event: Event) -> None:
                if isinstance(event, public.TaskOffered):
                    if event.agent_id in idle_since:
                        took.append(time.perf_counter() - idle_since.pop(event.agent_id))
                        if len(took) >= GAPS:
                            done.set()
                    await floor.accept(event)
                elif isinstance(event, public.TaskAssigned):
                    one = asyncio.create_task(work(event.task_id, event.agent_id))
                    working.add(one)
                    one.add_done_callback(working.discard)

            floor.seen = seen
            for number in range(1, submitted + 1):
                await floor.submit(f"task-{number}")
            await floor.staff(BUSY_AGENTS, 1)
            async with asyncio.timeout(60):
                await done.wait()
            for one in working:
                one.cancel()
            return *percentiles(took), *percentiles(base)


async def _throughput() -> float:
    with tempfile.TemporaryDirectory() as home:
        async with centre(home=Path(home)) as (floor, _, _):
            submitted = completed = 0
            done = asyncio.Event()

            async def submit() -> None:
                nonlocal submitted
                submitted += 1
                await floor.submit(f"task-{submitted}")

            async def seen(event: Event) -> None:
                nonlocal completed
                if isinstance(event, public.TaskOffered):
                    await floor.accept(event)
                elif isinstance(event, public.TaskAssigned):
                    await floor.complete(event.task_id, event.agent_id)
                else:
                    completed += 1
                    if completed == THROUGHPUT_TASKS:
                        done.set()
                    elif submitted < THROUGHPUT_TASKS:
                        await submit()

            floor.seen = seen
            await floor.staff(500, 3)
            began = time.perf_counter()
            for _ in range(IN_FLIGHT):
                await submit()
            async with asyncio.timeout(60):
                await done.wait()
            return THROUGHPUT_TASKS / (time.perf_counter() - began)


async def _recovery() -> float:
    with tempfile.TemporaryDirectory() as home:
        async with centre(home=Path(home)) as (floor, bus, process):
            offered = asyncio.Event()

            async def seen(event: Event) -> None:
                if isinstance(event, public.TaskOffered):
                    offered.set()

            floor.seen = seen
            await floor.tell(QueueConfigured(TENANT, "q", 1))
            for number in range(LOST_BACKLOG):
                await floor.submit(f"task-{number}")
            async with asyncio.timeout(60):
                await until_told(bus, LOST_BACKLOG)
            began = time.perf_counter()
            process.kill()
            await floor.staff(1, 1)
            starting = asyncio.create_task(asyncio.to_thread(process.start))
            async with asyncio.timeout(60):
                await offered.wait()
            took = time.perf_counter() - began
            await starting
            return took


async def until_told(bus: Bus, events: int) -> None:
    """Wait until the stream of public events holds so many."""
    while (  # noqa: ASYNC110 - the stream is not ours to signal
        await bus.js.stream_info("DISPATCH")
    ).state.messages < events:
        await asyncio.sleep(0.05)
