"""A question to a process of its own, and its answer."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from services.dispatch.domain.errors import Invalid, NotFound, NotNow, Refusal, TooLong

R = TypeVar("R", bound=Message)

_REFUSALS: dict[str, type[Refusal]] = {it.__name__: it for it in (NotFound, NotNow, Invalid)}
_ANSWERED, _REFUSED = b"+", b"-"


def answered(response: Message) -> bytes:
    return _ANSWERED + response.SerializeToString()


def refused(no: Refusal | TooLong) -> bytes:
    told = (type(no).__name__, no.reason, str(no), dict(no.details))
    return _REFUSED + json.dumps(told).encode()


@dataclass(frozen=True)
class Elsewhere(Generic[R]):
    """Starts `python -m module` for each question, and ends it when nobody waits any more.

    The question goes to its standard input; what `answered` or `refused` make of the answer comes
    from its standard output. `gives_way` is its niceness: 19 gives way to everything.
    """

    module: str
    response: type[R]
    too_long: Callable[[], TooLong]
    gives_way: int
    environment: Mapping[str, str]

    async def __call__(self, question: bytes) -> R:
        """Raises Refusal, TooLong."""
        told = await self._told(question)
        if told[:1] == _ANSWERED:
            return self.response.FromString(told[1:])
        if told[:1] != _REFUSED:
            # It died, perhaps for want of memory, and has told why in the log.
            raise self.too_long()
        kind, reason, sentence, details = json.loads(told[1:])
        if kind not in _REFUSALS:
            raise self.too_long()
        raise _REFUSALS[kind](reason, sentence, **details)

    async def _told(self, question: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self.environment,
        )
        try:
            with suppress(ProcessLookupError):
                # From here, so that it gives way while it is still loading.
                os.setpriority(os.PRIO_PROCESS, process.pid, self.gives_way)
            told, _ = await process.communicate(question)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return told
