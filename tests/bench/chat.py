"""A customer's message to the agent's stream, every service in a process of its own."""

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
MESSAGES, PER_S = 500, 50.0
DESKS, CAPACITY = 10, 50


def measure() -> list[Figure]:
    runs = [_run() for _ in range(RUNS)]
    p50, p99, floor50, floor99 = middle(runs)
    conditions = "webhook to card on the watch, 50 new customers/s, 9 processes and the edge"
    return [
        Figure("chat.offer_ms_p50", p50, "ms", floor50, conditions),
        Figure("chat.offer_ms_p99", p99, "ms", floor99, conditions),
    ]


def _run() -> tuple[float, float, float, float]:
    """Measure on an installation of its own: what the run before left waiting is not its load."""
    with tempfile.TemporaryDirectory() as home, distributed(Path(home)) as address:
        return asyncio.run(_offers(address))


async def _offers(address: str) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as home, nats_server(Path(home)) as server:
        async with connected(server.url, name="bench") as bus:
            floor = await publish_to_consume(bus, PER_S, MESSAGES)
    async with grpc.aio.insecure_channel(address) as channel, AsyncExitStack() as stack:
        edge = Edge(address, channel)
        desks = [
            await stack.enter_async_context(desk(edge, capacity=CAPACITY, offer_timeout_s=600))
            for _ in range(DESKS)
        ]
        took = await _measured(desks)
    return *percentiles(took), *percentiles(floor)


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
