"""A planner's front-end asks what a scenario would be like, in JSON through the edge."""

from typing import Any

import aiohttp
import pytest

from tests.e2e.people import Edge, User

pytestmark = pytest.mark.timeout(60)

TWO_CALLS = {
    "hours": 1,
    "replications": 1,
    "queues": {"sales": {"policy": {"max_wait_s": 300}}},
    "traffic": [
        {
            "queue": "sales",
            "trace": [{"at_s": 0}, {"at_s": 10}],
            "service": {"distribution": "deterministic", "mean_s": 60},
        }
    ],
    "team": [{"name": "desk", "agents": 1}],
}


async def _asked(edge: Edge, verb: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    owner = await User.sign_in(edge, "olga@demo.example")
    async with (
        aiohttp.ClientSession(headers=dict(owner.metadata)) as client,
        client.post(f"{edge.url}/v1/simulations:{verb}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_front_end_simulates_and_compares(edge: Edge) -> None:
    status, found = await _asked(edge, "run", {"scenario": TWO_CALLS})
    assert status == 200, found
    total = found["simulation"]["total"]
    assert (total["calls"]["mean"], total["waitMeanS"]["mean"]) == (2, 25)

    two = {**TWO_CALLS, "team": [{"name": "desk", "agents": 2}]}
    status, found = await _asked(edge, "compare", {"scenario": TWO_CALLS, "changed": two})
    assert status == 200, found
    assert found["difference"]["total"]["waitMeanS"]["mean"] == -25


async def test_a_front_end_hears_why_a_scenario_cannot_be_run(edge: Edge) -> None:
    status, no = await _asked(edge, "run", {"scenario": {**TWO_CALLS, "speed": 5}})
    assert status == 400
    assert "SCENARIO_INVALID" in str(no)
    assert "unknown speed" in no["message"]
