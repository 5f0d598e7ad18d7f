"""A customer's message to the agent's stream, every service in a process of its own.

Measured twice, beside the same floor: on the disk, where the store syncs each write before it
answers, and with all files in memory, which says what is ours and what is the disk's.
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
from .floors import paced, publish_to_consume

RUNS = 3
IN_MEMORY = Path("/dev/shm")
MESSAGES, PER_S = 500, 50.0
DESKS, CAPACITY = 10, 50


def measure() -> list[Figure]:
    what = "webhook to card on the watch, 50 new customers/s, 9 processes and the edge"
    figures = _figures("offer", middle([_run(None) for _ in range(RUNS)]), what)
    if IN_MEMORY.is_dir():
        without = middle([_run(IN_MEMORY) for _ in range(RUNS)])
        figures += _figures("offer_in_memory", without, "the same, all files in memory")
    return figures


def _figures(name: str, measured: Sequence[float], conditions: str) -> list[Figure]:
    p50, p99, floor50, floor99 = measured
    return [
        Figure(f"chat.{name}_ms_p50", p50, "ms", floor50, conditions),
        Figure(f"chat.{name}_ms_p99", p99, "ms", floor99, conditions),
    ]


def _run(place: Path | None) -> tuple[float, float, float, float]:
    """Measure on an installation of its own: what the run before left waiting is not its load."""
    with tempfile.TemporaryDirectory(dir=place) as root:
        home = Path(root)
        with distributed(home) as address:
            floor = asyncio.run(_floor(home / "floor"))
            took = asyncio.run(_offers(address))
    return *percentiles(took), *percentiles(floor)


async def _floor(home: Path) -> list[float]:
    with nats_server(home) as server:
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
