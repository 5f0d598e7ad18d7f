"""A choice on its way to the router, and ten thousand devices that say they are there."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from centralita.dispatch.v1.events_pb2 import TaskOffered
from centralita.presence.v1 import presence_service_pb2 as api
from centralita.presence.v1.events_pb2 import Status
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceStub
from nats.aio.msg import Msg

from services.dispatch.adapters.inputs import encode_input
from services.dispatch.domain.inputs import AgentConfigured, Fact, QueueConfigured, TaskSubmitted
from services.kernel import streams
from services.kernel.bus import Bus, connected
from services.kernel.clock import utc_now
from services.kernel.mongo import Database, database
from services.presence.adapters.documents import from_presence, key
from services.presence.domain.presence import Presence
from tests.processes import ServiceProcess
from tests.servers import mongo_server, nats_server
from tests.tokens import ISSUER, Issuer, bearer, key_server

from .figures import Figure, middle, percentiles
from .floors import bare_server, key_value_write, paced

TENANT = "bench"
AGENTS, CHOICES_PER_S = 50, 20.0
RUNS, CHOICES, WRITES = 5, 200, 100
"""What a key-value write takes is measured between the choices, at the pace of the choices."""
DEVICES, LEASE_S, CHANNELS = 10_000, 20.0, 16
LOOKS, LOOKED_AT_S = 3, 10.0

Metadata = tuple[tuple[str, str], ...]
Beat = Callable[[int], Coroutine[Any, Any, api.HeartbeatResponse]]

HEARTBEAT = "/centralita.presence.v1.PresenceService/Heartbeat"
BEAT = api.HeartbeatRequest(device_id="d1")
READY = api.SetStatusRequest(status=Status.STATUS_READY)
ONLINE = api.SetStatusRequest(status=Status.STATUS_ONLINE)


@dataclass
class Centre:
    """Presence and the router, each a process, and the people at their desks."""

    bus: Bus
    db: Database
    issuer: Issuer
    presence: ServiceProcess

    def token(self, user_id: str) -> Metadata:
        return bearer(self.issuer.user(TENANT, user_id))


def measure() -> list[Figure]:
    took, floor = middle(asyncio.run(_visible()))
    cores, bare = asyncio.run(_heartbeats())
    return [
        Figure(
            "presence.visible_ms_p99",
            took,
            "ms",
            floor,
            f"Ready chosen by gRPC to the offer of a waiting task, {CHOICES} at "
            f"{CHOICES_PER_S:g}/s; floor: one key-value write",
        ),
        Figure(
            "presence.heartbeat_cores",
            cores,
            "cores",
            bare,
            f"{DEVICES:,} devices of as many agents, a lease of {LEASE_S:g} s, renewed after two "
            "thirds; 1 process; floor: a gRPC server that does nothing",
        ),
    ]


@asynccontextmanager
async def _centre(
    home: Path, lease_s: float, names: Sequence[str], connected_agents: int = 0
) -> AsyncIterator[Centre]:
    """Start services; so many agents were connected when presence was last stopped."""
    issuer = Issuer()
    async with AsyncExitStack() as stack:
        nats = stack.enter_context(nats_server(home / "nats"))
        mongo = stack.enter_context(mongo_server(home / "mongo"))
        keys = await stack.enter_async_context(key_server(issuer.jwks))
        bus = await stack.enter_async_context(connected(nats.url, name="bench"))
        db = await stack.enter_async_context(database(mongo.url, "presence"))
        await streams.apply(bus.js)
        if connected_agents:
            await _fill(db, connected_agents)
        environment = {
            "NATS_URL": nats.url,
            "MONGO_URL": mongo.url,
            "JWKS_URL": keys.url,
            "ISSUER": ISSUER,
            "SHARDS": "1",
            "LEASE_SECONDS": str(lease_s),
        }
        started = {}
        for name in names:
            started[name] = ServiceProcess(home, name, environment)
            await asyncio.to_thread(started[name].start)
            stack.push_async_callback(asyncio.to_thread, started[name].stop)
        yield Centre(bus, db, issuer, started["presence"])


async def _fill(db: Database, agents: int) -> None:
    """Connect agents in the store. One by one takes a minute, and is not what is measured."""
    now = utc_now()
    there = [
        Presence(TENANT, f"agent-{number}").connect(now, timedelta()) for number in range(agents)
    ]
    documents = [{"_id": key((one.tenant_id, one.user_id)), **from_presence(one)} for one in there]
    await db["presences"].insert_many(documents, ordered=False)


async def _visible() -> list[tuple[float, float]]:
    """Return, by run, the p99 of choices until a task rang, and of key-value writes, in ms."""
    runs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as home:
        async with (
            _centre(Path(home), 600, ("presence", "dispatch")) as it,
            grpc.aio.insecure_channel(it.presence.grpc) as channel,
        ):
            agents = [f"agent-{number}" for number in range(AGENTS)]
            await _staff(it.bus, agents)
            async with _choosing(it, PresenceServiceStub(channel), agents) as choose:
                for _ in range(RUNS):
                    floor = await key_value_write(it.bus, CHOICES_PER_S, WRITES)
                    choosing = [
                        asyncio.create_task(choose(agents[number % AGENTS]))
                        async for number in paced(CHOICES, CHOICES_PER_S)
                    ]
                    took = await asyncio.gather(*choosing)
                    runs.append((percentiles(took)[1], percentiles(floor)[1]))
    return runs


@asynccontextmanager
async def _choosing(
    it: Centre, stub: Any, agents: Sequence[str]
) -> AsyncIterator[Callable[[str], Coroutine[Any, Any, float]]]:
    """Connect agents for whom a task waits; yield how one chooses Ready until it rings."""
    tokens = {agent: it.token(agent) for agent in agents}
    rings: dict[str, asyncio.Future[float]] = {}

    async def hear(message: Msg) -> None:
        ringing = rings.pop(TaskOffered.FromString(message.data).agent_id, None)
        if ringing is not None:
            ringing.set_result(time.perf_counter())

    async def choose(agent: str) -> float:
        ringing = rings[agent] = asyncio.Future()
        began = time.perf_counter()
        await stub.SetStatus(READY, metadata=tokens[agent])
        async with asyncio.timeout(10):
            rang = await ringing
        await stub.SetStatus(ONLINE, metadata=tokens[agent])
        return rang - began

    offered = f"cc.{TENANT}.dispatch.v1.task.offered.*"
    hearing = await it.bus.js.subscribe(offered, stream="DISPATCH", ordered_consumer=True, cb=hear)
    for token in tokens.values():
        await stub.Heartbeat(BEAT, metadata=token)
    try:
        yield choose
    finally:
        await hearing.unsubscribe()


async def _staff(bus: Bus, agents: Sequence[str]) -> None:
    """Give each agent a queue of their own, in which a task waits."""

    async def tell(fact: Fact) -> None:
        await bus.nc.publish("dispatch.in.0", encode_input(fact))

    now = time.time_ns() // 1_000_000
    for agent in agents:
        await tell(QueueConfigured(TENANT, f"q-{agent}", 1, offer_timeout_ms=600_000))
        await tell(AgentConfigured(TENANT, agent, 1, False, (f"q-{agent}",), (), 1))
        await tell(TaskSubmitted(TENANT, f"t-{agent}", f"q-{agent}", now))


async def _heartbeats() -> tuple[float, float]:
    """Return the cores that presence needs while every device calls as often as it is told to.

    And those that the same calls need of a server that does nothing about them.
    """
    with tempfile.TemporaryDirectory() as home:
        async with _centre(Path(home), LEASE_S, ("presence",), DEVICES) as it:
            tokens = [it.token(f"agent-{number}") for number in range(DEVICES)]
            async with _devices(it.presence.grpc, tokens) as beat:
                told = await beat(0)
                pause = told.again_after.ToMilliseconds() / 1000
                cores = await _beating(it.presence.pid, beat, pause)
            there = await it.db["presences"].count_documents({"connected": True})
            assert there == DEVICES, f"{DEVICES - there} devices were declared gone"
    with bare_server(HEARTBEAT, told.SerializeToString()) as (address, pid):
        async with _devices(address, tokens) as beat:
            return cores, await _beating(pid, beat, pause)


@asynccontextmanager
async def _devices(address: str, tokens: Sequence[Metadata]) -> AsyncIterator[Beat]:
    """Connect as the edge does, by few connections for all; yield how a device calls."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    few = asyncio.Semaphore(200)
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options=options))
            for _ in range(CHANNELS)
        ]
        stubs: list[Any] = [PresenceServiceStub(channel) for channel in channels]

        async def beat(number: int) -> api.HeartbeatResponse:
            stub = stubs[number % CHANNELS]
            async with few:
                told: api.HeartbeatResponse = await stub.Heartbeat(
                    BEAT, metadata=tokens[number], timeout=5
                )
            return told

        yield beat


async def _beating(pid: int, beat: Beat, pause: float) -> float:
    """Let every device call each `pause` seconds; return the cores that the process needs.

    Looked at several times: a busy machine has its moments.
    """
    async with asyncio.timeout(60):
        took = pause
        while took >= pause:  # on a busy machine the first leases end before the last begin
            began = time.perf_counter()
            await asyncio.gather(*(beat(number) for number in range(DEVICES)))
            took = time.perf_counter() - began
    beating: set[asyncio.Task[api.HeartbeatResponse]] = set()
    looks: list[float] = []
    calls = int(LOOKED_AT_S * DEVICES / pause)
    cpu = _cpu_s(pid)
    async for number in paced(LOOKS * calls, DEVICES / pause):
        one = asyncio.create_task(beat(number % DEVICES))
        beating.add(one)
        one.add_done_callback(beating.discard)
        if (number + 1) % calls == 0:
            # By the pace that was asked for: a client that cannot keep it flatters nobody.
            looks.append((_cpu_s(pid) - cpu) / LOOKED_AT_S)
            cpu = _cpu_s(pid)
    await asyncio.gather(*beating)
    return statistics.median(looks)


def _cpu_s(pid: int) -> float:
    """Return the processor seconds a process has used, in its own code and for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
