"""Why, asked of a process of its own."""

import json
import os
from dataclasses import asdict

from centralita.dispatch.v1.explain_service_pb2 import ExplainTaskResponse

from services.dispatch.domain.errors import TooLong
from services.dispatch.use_cases.explain import LONGEST_S, Question

from .elsewhere import Elsewhere
from .fair_share import FairShare

_GIVES_WAY = 10
_START_S = 3.0
"""Seconds a process may take until it begins to read."""


class ExplainElsewhere:
    """Asks one process at a time, the tenants' questions in turn."""

    def __init__(self, nats_url: str, shards: int) -> None:
        # In the environment, not among the arguments: those are for everybody to see.
        environment = {**os.environ, "NATS_URL": nats_url, "SHARDS": str(shards)}
        self._ask = Elsewhere(
            "services.dispatch.explain", ExplainTaskResponse, TooLong, _GIVES_WAY, environment
        )
        self._share = FairShare(
            "EXPLANATION_RUNNING",
            "Your tenant asks for an explanation here already, or others wait; try again later.",
        )

    async def __call__(self, question: Question) -> ExplainTaskResponse:
        """Raises Refusal, TooLong."""
        try:
            async with self._share.turn(question.tenant_id, LONGEST_S + _START_S):
                return await self._ask(json.dumps(asdict(question)).encode())
        except TimeoutError as slow:
            raise TooLong from slow
