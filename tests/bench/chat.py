"""A customer's message to the agent's stream, every service in a process of its own.

Measured twice. The floor of the first does not wait for a disk, so neither does anything else:
broker and store keep their files in memory. The second is what runs in production: the store syncs
each write to the disk before it answers, and its floor is a broker that does so too.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
from centralita.workspace.v1.resources_pb2 import CARD_STATE_OFFERED
from centralita.workspace.v1.workspace_service_pb2 import WatchResponse

from services.kernel.bus import connected
from tests.distributed import distributed
from tests.e2e.people import Agent, Desk, Edge, desk, until
from tests.servers import nats_server

from .figures import Figure, middle, percentiles
from .floors import paced, publish_to_consume, synced

RUNS, SYNCED_RUNS = 5, 3
IN_MEMORY = Path("/dev/shm")
MESSAGES, PER_S = 500, 50.0
DESKS, CAPACITY = 10, 50


def measure() -> list[Figure]:
    what = "webhook to card on the watch, 50 new customers/s, 9 processes and the edge"
    where = "files in memory" if IN_MEMORY.is_dir() else "files on disk: no /dev/shm here"
    plain = middle([_run(synced_writes=False) for _ in range(RUNS)])
    always = middle([_run(synced_writes=True) for _ in range(SYNCED_RUNS)])
    return [
        *_figures("offer", plain, f"{what}; {where}"),
        *_figures("offer_synced", always, "the same, the store syncs each write; floor: so too"),
    ]


def _figures(name: str, measured: Sequence[float], conditions: str) -> list[Figure]:
    p50, p99, floor50, floor99 = measured
    return [
        Figure(f"chat.{name}_ms_p50", p50, "ms", floor50, conditions),
        Figure(f"chat.{name}_ms_p99", p99, "ms", floor99, conditions),
    ]


def _run(*, synced_writes: bool) -> tuple[float, float, float, float]:
    """Measure on an installation of its own: what the run before left waiting is not its load."""
    place = None if synced_writes or not IN_MEMORY.is_dir() else IN_MEMORY
    with tempfile.TemporaryDirectory(dir=place) as root:
        home = Path(root)
        extra = synced(home / "floor") if synced_writes else ()
        with distributed(home) as address:
            floor = asyncio.run(_floor(home / "floor", *extra))
            took = asyncio.run(_offers(address))
    return *percentiles(took), *percentiles(floor)


async def _floor(home: Path, *extra: str) -> list[float]:
    with nats_server(home, *extra) as server:
        async with connected(server.url, name="bench") as bus:
            return await publish_to_consume(bus, PER_S, MESSAGES)


async def _offers(address: str) -> list[float]:
    async with grpc.aio.insecure_channel(address) as channel, AsyncExitStack() as stack:
        edge = Edge(address, channel)
        desks = [
            await stack.enter_async_context(desk(edge, capacity=CAPACITY, offer_timeout_s=600))
            for _ in range(DESKS)
        ]
        return await _measured(desks)


async def _measured(desks: Sequence[Desk]) -> list[float]:
    rung: dict[str, tuple[Agent, float]] = {}
    posted: dict[str, float] = {}

    def ring(agent: Agent, frame: WatchResponse) -> None:
        standing = frame.card.standing
        if standing.state == CARD_STATE_OFFERED and standing.agent_id == agent.id:
            rung.setdefault(frame.card.conversation_id, (agent, time.perf_counter()))

    async with AsyncExitStack() as stack:
        for it in desks:
            [agent] = it.agents
            agent.on_frame = ring
            await stack.enter_async_context(agent.at_work())
        posting = []
        async for number in paced(MESSAGES, PER_S):
            customer = desks[number % DESKS].customer
            posted[f"text {number}"] = time.perf_counter()
            post = customer.write(f"text {number}", address=f"customer-{number}")
            posting.append(asyncio.create_task(post))
        assert {status for status, _ in await asyncio.gather(*posting)} == {202}
        await until(lambda: len(rung) >= MESSAGES or None, within=30)
        took = []
        for conversation_id, (agent, at) in rung.items():
            [message] = await agent.messages(conversation_id)
            took.append(at - posted[message.text])
    return took
