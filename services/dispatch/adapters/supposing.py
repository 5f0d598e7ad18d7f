"""What if, asked of a process of its own."""

import asyncio
import os

from centralita.dispatch.v1 import simulation_service_pb2 as api

from services.dispatch.domain.errors import Busy, SimulationTooLong

from .elsewhere import Elsewhere

LONGEST_S = 25.0
"""Seconds in which a simulation is done. Less than the edge waits, and than a call may last."""
_GIVES_WAY = 19


class SupposeElsewhere:
    """Runs one simulation at a time; whoever comes meanwhile is told to come again.

    Nobody is made to wait in line: it would take their own time away.
    """

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
        self._turn = asyncio.Lock()

    async def __call__(self, request: api.CompareRequest) -> api.CompareResponse:
        """Simulate `scenario` and, unless it is absent, `changed`. Raises Refusal, TooLong."""
        if self._turn.locked():
            raise Busy(
                "SIMULATION_RUNNING",
                "This replica simulates already; try again when that has ended.",
            )
        try:
            async with self._turn, asyncio.timeout(LONGEST_S):
                return await self._ask(request.SerializeToString())
        except TimeoutError as slow:
            raise SimulationTooLong from slow


_HARMLESS = ("PATH", "PYTHON", "LD_LIBRARY_PATH", "LANG", "LC_", "TZ")
"""What an interpreter needs to start."""
