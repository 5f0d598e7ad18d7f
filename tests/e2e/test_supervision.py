"""A supervisor's morning through the edge: what stands still, why, and who moved what.

The installation runs under the accounts of the bus, so this also shows that dispatch may do what
each of these calls needs of it.
"""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.e2e.people import PATIENCE_S, Desk, Edge, desk, some, until
from tests.e2e.standalone import Standalone

pytestmark = pytest.mark.timeout(90)


class Desktop:
    """The desktop of somebody in charge: REST with their token."""

    def __init__(self, it: Desk) -> None:
        self._url = it.owner.edge.url
        self._headers = dict(it.owner.metadata)

    async def get(self, path: str) -> dict[str, Any]:
        return await self._ask("GET", path)

    async def post(self, path: str, **fields: Any) -> dict[str, Any]:
        return await self._ask("POST", path, json={"requestId": some("r"), **fields})

    async def when(self, path: str, **wanted: Any) -> dict[str, Any]:
        """Wait until what is at `path` shows these fields."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                shown = await self.get(path)
                if all(shown.get(name) == value for name, value in wanted.items()):
                    return shown
                await asyncio.sleep(0.02)

    async def _ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(headers=self._headers) as client,
            client.request(method, f"{self._url}/v1/{path}", **body) as answer,
        ):
            told: dict[str, Any] = await answer.json()
            assert answer.status == 200, told
            return told


async def test_a_supervisor_pauses_asks_why_moves_and_is_in_the_books(
    edge: Edge, standalone: Standalone
) -> None:
    async with desk(edge) as here, desk(edge) as there:
        [idle], [busy] = here.agents, there.agents
        desktop, queue = Desktop(here), here.queue_id
        async with idle.at_work(), busy.at_work():
            await desktop.when(f"queues/{queue}/status", agentsThere=1)
            await desktop.post(f"queues/{queue}:setMode", mode="QUEUE_MODE_PAUSED")
            await here.customer.write("Is anybody there?")
            status = await desktop.when(f"queues/{queue}/status", waiting=1)
            assert status["mode"] == "QUEUE_MODE_PAUSED"

            card = await until(lambda: next(iter(idle.view.values()), None))
            task = card.conversation_id
            assert (await desktop.get(f"tasks/{task}/wait"))["position"] == 1
            why = await desktop.get(f"tasks/{task}:explain")
            assert why["standing"] == "STANDING_WAITING"
            removed_by = {one["agentId"]: one["removedBy"] for one in why["candidates"]}
            assert removed_by[idle.id] == "CANDIDATE_FILTER_QUEUE_PAUSED"

            moving = {"targetQueueId": there.queue_id}
            assert (await desktop.post(f"queues/{queue}:moveTasks", **moving))["moved"] == 1
            assert (await busy.offer()).conversation_id == task
            await desktop.when(f"queues/{queue}/status", waiting=0)

            (own,) = (await desktop.get("shards"))["shards"]
            assert own["led"]
            assert not own["ownerId"]
            assert await _acts_on(desktop, queue) == ["ACTION_QUEUE_PAUSED", "ACTION_TASKS_MOVED"]

    said = (standalone.var / "log/nats.log").read_text()
    assert not [line for line in said.splitlines() if "Violation" in line]


async def _acts_on(desktop: Desktop, queue_id: str) -> list[str]:
    """Return what was done to a queue, once two things were: they are listed a moment later."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            acts = (await desktop.get("acts?page_size=200"))["acts"]
            done = [one["action"] for one in acts if one["queueId"] == queue_id]
            if len(done) > 1:
                return done
            await asyncio.sleep(0.02)
