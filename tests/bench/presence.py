"""A choice on its way to the router, and ten thousand devices that say they are there."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
from tests.processes import ServiceProcess
from tests.servers import mongo_server, nats_server
from tests.tokens import ISSUER, Issuer, bearer, key_server

from .figures import Figure, middle, percentiles
from .floors import key_value_write, paced

RUNS = 3
TENANT = "bench"
AGENTS, CHOICES, CHOICES_PER_S = 50, 300, 20.0
DEVICES, LEASE_S, CHANNELS = 10_000, 15.0, 16
LOOKED_AT_S = 10.0

Metadata = tuple[tuple[str, str], ...]


@dataclass
class Centre:
    """Presence and the router, each a process, and the people at their desks."""

    bus: Bus
    issuer: Issuer
    presence: ServiceProcess

    def token(self, user_id: str) -> Metadata:
        return bearer(self.issuer.user(TENANT, user_id))


def measure() -> list[Figure]:
    _, visible, _, floor = middle([asyncio.run(_visible()) for _ in range(RUNS)])
    cores = asyncio.run(_heartbeats())
    return [
        Figure(
            "presence.visible_ms_p99",
            visible,
            "ms",
            floor,
            "Ready chosen by gRPC to the offer of a waiting task, 20/s; floor: one key-value write",
        ),
        Figure(
            "presence.heartbeat_cores",
            cores,
            "cores",
            None,
            f"{DEVICES:,} devices, a lease of {LEASE_S:g} s, renewed after two thirds; 1 process",
        ),
    ]


@asynccontextmanager
async def _centre(home: Path, lease_s: float) -> AsyncIterator[Centre]:
    issuer = Issuer()
    async with AsyncExitStack() as stack:
        nats = stack.enter_context(nats_server(home / "nats"))
        mongo = stack.enter_context(mongo_server(home / "mongo"))
        keys = await stack.enter_async_context(key_server(issuer.jwks))
        bus = await stack.enter_async_context(connected(nats.url, name="bench"))
        await streams.apply(bus.js)
        environment = {
            "NATS_URL": nats.url,
            "MONGO_URL": mongo.url,
            "JWKS_URL": keys.url,
            "ISSUER": ISSUER,
            "SHARDS": "1",
            "LEASE_SECONDS": str(lease_s),
        }
        started = {}
        for name in ("presence", "dispatch"):
            started[name] = ServiceProcess(home, name, environment)
            await asyncio.to_thread(started[name].start)
            stack.push_async_callback(asyncio.to_thread, started[name].stop)
        yield Centre(bus, issuer, started["presence"])


async def _visible() -> tuple[float, float, float, float]:
    """Let agents choose Ready while a task waits for each, and stop as soon as it rings."""
    with tempfile.TemporaryDirectory() as home:
        async with (
            _centre(Path(home), lease_s=600) as it,
            grpc.aio.insecure_channel(it.presence.grpc) as channel,
        ):
            floor = await key_value_write(it.bus, CHOICES_PER_S)
            stub: Any = PresenceServiceStub(channel)
            chosen: dict[str, float] = {}
            took: list[float] = []
            rung = {f"agent-{number}": asyncio.Event() for number in range(AGENTS)}

            async def hear(message: Msg) -> None:
                event = TaskOffered.FromString(message.data)
                if event.agent_id in chosen:
                    took.append(time.perf_counter() - chosen.pop(event.agent_id))
                    rung[event.agent_id].set()

            offered = f"cc.{TENANT}.dispatch.v1.task.offered"
            await it.bus.js.subscribe(offered, stream="DISPATCH", ordered_consumer=True, cb=hear)
            await _staff(it.bus, sorted(rung))
            tokens = {agent: it.token(agent) for agent in rung}
            for token in tokens.values():
                await stub.Heartbeat(api.HeartbeatRequest(device_id="d1"), metadata=token)

            async def choose(agent: str) -> None:
                rung[agent].clear()
                chosen[agent] = time.perf_counter()
                ready = api.SetStatusRequest(status=Status.STATUS_READY)
                await stub.SetStatus(ready, metadata=tokens[agent])
                async with asyncio.timeout(10):
                    await rung[agent].wait()
                online = api.SetStatusRequest(status=Status.STATUS_ONLINE)
                await stub.SetStatus(online, metadata=tokens[agent])

            choosing = []
            async for number in paced(CHOICES, CHOICES_PER_S):
                agent = f"agent-{number % AGENTS}"
                choosing.append(asyncio.create_task(choose(agent)))
            await asyncio.gather(*choosing)
            return *percentiles(took), *percentiles(floor)


async def _staff(bus: Bus, agents: Sequence[str]) -> None:
    """Give each agent a queue of their own, in which a task waits."""

    async def tell(fact: Fact) -> None:
        await bus.nc.publish("dispatch.in.0", encode_input(fact))

    now = time.time_ns() // 1_000_000
    for agent in agents:
        await tell(QueueConfigured(TENANT, f"q-{agent}", 1, offer_timeout_ms=600_000))
        await tell(AgentConfigured(TENANT, agent, 1, False, (f"q-{agent}",), (), 1))
        await tell(TaskSubmitted(TENANT, f"t-{agent}", f"q-{agent}", now))


async def _heartbeats() -> float:
    """Return the cores that presence needs while every device calls as often as it is told to."""
    with tempfile.TemporaryDirectory() as home:
        async with _centre(Path(home), LEASE_S) as it, AsyncExitStack() as stack:
            stubs: list[Any] = [
                PresenceServiceStub(
                    await stack.enter_async_context(
                        grpc.aio.insecure_channel(
                            it.presence.grpc, options=[("grpc.use_local_subchannel_pool", 1)]
                        )
                    )
                )
                for _ in range(CHANNELS)
            ]
            tokens = [it.token(f"agent-{number}") for number in range(DEVICES)]
            request = api.HeartbeatRequest(device_id="d1")
            few = asyncio.Semaphore(200)

            async def beat(number: int) -> None:
                async with few:
                    await stubs[number % CHANNELS].Heartbeat(request, metadata=tokens[number])

            await asyncio.gather(*(beat(number) for number in range(DEVICES)))  # they connect
            told = await stubs[0].Heartbeat(request, metadata=tokens[0])
            per_s = DEVICES / (told.again_after.ToMilliseconds() / 1000)
            beats = int(LOOKED_AT_S * per_s)
            beating: set[asyncio.Task[None]] = set()
            await asyncio.sleep(2)
            began, cpu = time.perf_counter(), _cpu_s(it.presence.pid)
            async for number in paced(beats, per_s):
                one = asyncio.create_task(beat(number % DEVICES))
                beating.add(one)
                one.add_done_callback(beating.discard)
            await asyncio.gather(*beating)
            used = _cpu_s(it.presence.pid) - cpu
            seconds = max(time.perf_counter() - began, LOOKED_AT_S)
            # A client that cannot keep the pace must not flatter the server.
            return used / seconds * (seconds / LOOKED_AT_S)


def _cpu_s(pid: int) -> float:
    """Return the processor seconds a process has used, in its own code and for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
