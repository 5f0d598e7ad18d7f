"""`make run` of an installed checkout: how soon, and how much memory once it was used."""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import grpc
from centralita.workspace.v1.resources_pb2 import CARD_STATE_OFFERED
from centralita.workspace.v1.workspace_service_pb2 import WatchResponse

from tests.e2e.people import Agent, Desk, Edge, desk, until
from tests.e2e.standalone import Standalone

from .figures import Figure
from .floors import paced

RUNS = 3
CHATS, CHATS_PER_S = 300, 15.0


def measure() -> list[Figure]:
    runs = [_run() for _ in range(RUNS)]
    ready, memory = (statistics.median(column) for column in zip(*runs, strict=True))
    chats = f"after {CHATS} chats of new customers: written, accepted, answered, closed"
    return [
        Figure("standalone.ready_s", ready, "s", None, "empty directory, to /healthz 200"),
        Figure("standalone.rss_mb", memory, "MB", None, f"all its processes, {chats}"),
    ]


def _run() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as home:
        server = Standalone(Path(home))
        began = time.monotonic()
        server.start()
        ready = time.monotonic() - began
        try:
            asyncio.run(_chats(f"127.0.0.1:{server.port}"))
            return ready, _resident_mb(server.pid)
        finally:
            server.stop()


async def _chats(address: str) -> None:
    async with (
        grpc.aio.insecure_channel(address) as channel,
        desk(Edge(address, channel), capacity=50, offer_timeout_s=600) as it,
    ):
        await _work(it)


async def _work(it: Desk) -> None:
    [agent] = it.agents
    working: dict[str, asyncio.Task[None]] = {}

    async def work(conversation_id: str) -> None:
        await agent.accept(conversation_id)
        await agent.reply(conversation_id, "On its way.")
        await agent.close(conversation_id)

    def ring(_agent: Agent, frame: WatchResponse) -> None:
        conversation_id = frame.card.conversation_id
        if frame.card.standing.state == CARD_STATE_OFFERED and conversation_id not in working:
            working[conversation_id] = asyncio.create_task(work(conversation_id))

    agent.on_frame = ring
    async with agent.at_work():
        async for number in paced(CHATS, CHATS_PER_S):
            status, _ = await it.customer.write(f"text {number}", address=f"customer-{number}")
            assert status == 202
        await until(lambda: len(working) >= CHATS or None, within=120)
        await asyncio.gather(*working.values())


def _resident_mb(pid: int) -> float:
    """Sum the resident memory of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    own = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return own + sum(_resident_mb(int(child)) for child in children)
