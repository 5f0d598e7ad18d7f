"""What if, asked over gRPC of a router that runs: right, bounded, and out of the router's way."""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import grpc
import pytest
from centralita.dispatch.v1 import simulation_service_pb2 as api
from grpc import StatusCode

from services.dispatch.adapters import supposing
from services.dispatch.simulation.report import Estimate
from tests.integration.dispatch.centre import Centre, refusal
from tests.streams import until
from tests.unit.dispatch.erlang import ErlangC

SERVICE = {"distribution": "exponential", "mean_s": 180}
M_M_14: Mapping[str, Any] = {
    "hours": 20,
    "warm_up_minutes": 60,
    "replications": 10,
    "queues": {"q": {}},
    "traffic": [{"queue": "q", "per_hour": 200, "service": SERVICE}],
    "team": [{"name": "a", "agents": 14}],
}
LONG = {**M_M_14, "hours": 40}
SHORT = {**M_M_14, "hours": 1, "warm_up_minutes": 0, "replications": 2}

Children = list[asyncio.subprocess.Process]


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    """The processes that are started for simulations."""
    started: Children = []
    start = asyncio.create_subprocess_exec

    async def seen(*command: str, **more: Any) -> asyncio.subprocess.Process:
        started.append(await start(*command, **more))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", seen)
    yield started
    for it in started:
        if it.returncode is None:
            with suppress(ProcessLookupError):
                it.kill()


def asked(table: Mapping[str, Any]) -> api.SimulateRequest:
    request = api.SimulateRequest()
    request.scenario.update(table)
    return request


def holds(it: api.Estimate, value: float) -> bool:
    return Estimate(it.mean, it.half_width).holds(value)


async def test_waits_over_grpc_are_those_of_queueing_theory(desk: Centre) -> None:
    exact = ErlangC(10, 14, 180)
    found: api.SimulateResponse = await desk.simulate(asked(M_M_14))
    (queue,) = found.simulation.queues
    assert (queue.queue_id, found.simulation.replications) == ("q", 10)
    for got in (queue.figures, found.simulation.total):
        assert holds(got.delayed_share, exact.delayed)
        assert holds(got.wait_mean_s, exact.wait)
        assert holds(got.service_level_share, exact.within(20))
        assert holds(got.occupancy_share, 10 / 14)
        assert not holds(got.wait_mean_s, ErlangC(10, 13, 180).wait)


async def test_one_agent_more_shortens_waits_on_the_same_calls(desk: Centre) -> None:
    request = api.CompareRequest()
    request.scenario.update(SHORT)
    request.changed.update({**SHORT, "team": [{"name": "a", "agents": 18}]})
    found: api.CompareResponse = await desk.simulate(request)
    assert found.scenario.total.calls == found.changed.total.calls
    assert found.difference.total.calls.mean == 0
    assert found.difference.total.wait_mean_s.mean < 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hours": 0}, "SCENARIO_INVALID"),
        ({"hours": 50_001}, "SCENARIO_TOO_LARGE"),
        (
            {"traffic": [{"queue": "q", "trace": "/etc/passwd", "service": SERVICE}]},
            "TRACE_NOT_INLINE",
        ),
    ],
)
async def test_what_cannot_be_simulated_is_refused(
    desk: Centre, change: dict[str, Any], reason: str
) -> None:
    told = await refusal(desk.simulate(asked({**M_M_14, **change})))
    assert told == (StatusCode.INVALID_ARGUMENT, reason)


async def test_a_supervisor_does_not_plan(desk: Centre) -> None:
    told = await refusal(desk.simulate(asked(SHORT), role="supervisor"))
    assert told == (StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW")


async def test_a_second_simulation_is_told_to_come_again_and_the_caller_who_goes_ends_theirs(
    desk: Centre, children: Children
) -> None:
    first = desk.simulate(asked(LONG))
    running = asyncio.ensure_future(first)

    async def gives_way() -> bool:
        return bool(children) and os.getpriority(os.PRIO_PROCESS, children[0].pid) == 19

    await until(gives_way, within=10)
    told = await refusal(desk.simulate(asked(SHORT)))
    assert told == (StatusCode.RESOURCE_EXHAUSTED, "SIMULATION_RUNNING")
    running.cancel()

    async def ended() -> bool:
        return children[0].returncode == -signal.SIGKILL

    await until(ended, within=10)
    assert (await desk.simulate(asked(SHORT))).simulation.replications == 2


async def test_another_tenant_waits_their_turn_and_is_served(
    desk: Centre, children: Children
) -> None:
    running = asyncio.ensure_future(desk.simulate(asked(LONG)))
    await until(lambda: children, within=10)
    other = asyncio.ensure_future(desk.simulate(asked(SHORT), tenant="another-tenant"))
    assert (await refusal(desk.simulate(asked(SHORT))))[1] == "SIMULATION_RUNNING"
    assert not other.done()
    running.cancel()
    assert (await other).simulation.replications == 2


async def test_what_takes_too_long_is_ended(
    desk: Centre, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supposing, "LONGEST_S", 0.3)
    told = await refusal(desk.simulate(asked(LONG)))
    assert told == (StatusCode.DEADLINE_EXCEEDED, "SIMULATION_TOO_LONG")
    assert [it.returncode for it in children] == [-signal.SIGKILL]


async def test_what_wants_too_much_memory_gives_up_by_itself(
    desk: Centre, children: Children
) -> None:
    shifts = [["08:00", "16:00"]] * 20_000
    wide = {**SHORT, "hours": 10_000, "team": [{"name": "a", "agents": 1, "shifts": shifts}]}
    wide["traffic"] = [{"queue": "q", "per_hour": 1, "service": SERVICE}]
    told = await refusal(desk.simulate(asked(wide)))
    assert told == (StatusCode.DEADLINE_EXCEEDED, "SIMULATION_TOO_LONG")
    assert [it.returncode for it in children] == [0], "it was killed, and not for memory"


async def test_the_router_goes_on_offering_meanwhile(desk: Centre, children: Children) -> None:
    running = asyncio.ensure_future(desk.simulate(asked(LONG)))
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    running.cancel()
    with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        await running
    for it in children:
        await it.wait()
