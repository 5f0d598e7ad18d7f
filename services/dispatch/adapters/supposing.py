"""What if, asked of a process of its own."""

import os

from centralita.dispatch.v1 import simulation_service_pb2 as api

from services.dispatch.domain.errors import SimulationTooLong

from .elsewhere import Elsewhere
from .fair_share import FairShare

LONGEST_S = 25.0
"""Seconds in which a simulation is done. Less than the edge waits, and than a call may last."""
_GIVES_WAY = 19


class SupposeElsewhere:
    """Runs one simulation at a time, the tenants' in turn; waiting counts against one's time."""

    def __init__(self) -> None:
        # It needs no secret, and is told none.
        environment = {
            name: value for name, value in os.environ.items() if name.startswith(_HARMLESS)
        }
        self._ask = Elsewhere(
            "services.dispatch.suppose",
            api.CompareResponse,
            SimulationTooLong,
            _GIVES_WAY,
            environment,
        )
        self._share = FairShare(
            "SIMULATION_RUNNING",
            "Your tenant has a simulation under way here, or others wait; try again later.",
        )

    async def __call__(self, tenant_id: str, request: api.CompareRequest) -> api.CompareResponse:
        """Simulate `scenario` and, unless it is absent, `changed`. Raises Refusal, TooLong."""
        try:
            async with self._share.turn(tenant_id, LONGEST_S):
                return await self._ask(request.SerializeToString())
        except TimeoutError as slow:
            raise SimulationTooLong from slow


_HARMLESS = ("PATH", "PYTHON", "LD_LIBRARY_PATH", "LANG", "LC_", "TZ")
"""What an interpreter needs to start."""
