"""SimulationService over gRPC: what is found, in the words of the contract."""

from collections.abc import Awaitable, Callable
from math import isnan
from typing import Any

from centralita.dispatch.v1 import simulation_service_pb2 as api
from centralita.dispatch.v1.simulation_service_pb2_grpc import SimulationServiceServicer
from grpc.aio import ServicerContext

from services.kernel.identity import caller

from .simulation.report import Estimate, Report
from .simulation.scenario import EVERYTHING

Asked = Callable[[str, api.CompareRequest], Awaitable[api.CompareResponse]]
"""A tenant, and what they ask."""

Context = ServicerContext[Any, Any]


class SimulationApi(SimulationServiceServicer):
    def __init__(self, suppose: Asked) -> None:
        self._suppose = suppose

    async def Simulate(
        self, request: api.SimulateRequest, context: Context
    ) -> api.SimulateResponse:
        wanted = api.CompareRequest(scenario=request.scenario)
        found = await self._suppose(caller().tenant_id, wanted)
        return api.SimulateResponse(simulation=found.scenario)

    async def Compare(self, request: api.CompareRequest, context: Context) -> api.CompareResponse:
        request.changed.SetInParent()  # absent, it is an empty scenario, and refused as such
        return await self._suppose(caller().tenant_id, request)


NAMES = {
    "calls": "calls",
    "answered": "answered_calls",
    "abandoned": "abandoned_share",
    "turned_away": "turned_away_share",
    "unserved": "unserved_share",
    "delayed": "delayed_share",
    "service_level": "service_level_share",
    "wait_mean": "wait_mean_s",
    "wait_p50": "wait_p50_s",
    "wait_p90": "wait_p90_s",
    "wait_p99": "wait_p99_s",
    "answer_mean": "answer_wait_mean_s",
    "occupancy": "occupancy_share",
    "gini": "gini",
    "jain": "jain",
}
"""What each measure is called in the contract."""


def simulation(of: Report, replications: int) -> api.Simulation:
    """Say what was found."""
    return api.Simulation(
        replications=replications,
        queues=[
            api.QueueFigures(queue_id=queue_id, figures=_figures(of[queue_id]))
            for queue_id in sorted({*of} - {EVERYTHING})
        ],
        total=_figures(of[EVERYTHING]),
    )


def _figures(measures: Any) -> api.Figures:
    return api.Figures(
        **{NAMES[name]: _estimate(one) for name, one in measures.items() if not isnan(one.mean)}
    )


def _estimate(it: Estimate) -> api.Estimate:
    return api.Estimate(mean=it.mean, half_width=None if isnan(it.half_width) else it.half_width)
