"""A question to a process of its own, and its answer."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict

from centralita.dispatch.v1.explain_service_pb2 import ExplainTaskResponse

from services.dispatch.domain.errors import Invalid, NotFound, NotNow, Refusal, TooLong
from services.dispatch.use_cases.explain import LONGEST_S, Question

_COMMAND = (sys.executable, "-m", "services.dispatch.explain")
_START_S = 3.0
"""Seconds a process may take until it begins to read."""
_REFUSALS: dict[str, type[Refusal]] = {it.__name__: it for it in (NotFound, NotNow, Invalid)}
_ANSWERED, _REFUSED = b"+", b"-"


def answered(response: ExplainTaskResponse) -> bytes:
    return _ANSWERED + response.SerializeToString()


def refused(no: Refusal | TooLong) -> bytes:
    told = (type(no).__name__, no.reason, str(no), dict(no.details))
    return _REFUSED + json.dumps(told).encode()


class ExplainElsewhere:
    """Asks one process at a time; whoever comes meanwhile waits their turn."""

    def __init__(self, nats_url: str, shards: int) -> None:
        # In the environment, not among the arguments: those are for everybody to see.
        self._environment = {**os.environ, "NATS_URL": nats_url, "SHARDS": str(shards)}
        self._turn = asyncio.Lock()

    async def __call__(self, question: Question) -> ExplainTaskResponse:
        """Raises Refusal, TooLong."""
        try:
            async with asyncio.timeout(LONGEST_S + _START_S), self._turn:
                told = await self._ask(json.dumps(asdict(question)).encode())
        except TimeoutError as slow:
            raise TooLong from slow
        if told[:1] == _ANSWERED:
            return ExplainTaskResponse.FromString(told[1:])
        if told[:1] != _REFUSED:
            raise TooLong  # it died, perhaps for want of memory, and has told why in the log
        kind, reason, sentence, details = json.loads(told[1:])
        if kind not in _REFUSALS:
            raise TooLong
        raise _REFUSALS[kind](reason, sentence, **details)

    async def _ask(self, question: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        try:
            told, _ = await process.communicate(question)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return told
