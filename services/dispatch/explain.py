"""Answer one question about the past from the logs, in a process of its own.

Reading and folding keep a core busy for seconds, and the process that serves the API has offers to
make: so it starts this one, which gives way to every other. The question comes as JSON on standard
input; the answer goes to standard output, see `adapters/elsewhere.py`.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

from services.kernel.bus import connected
from services.kernel.env import from_env

from .adapters.elsewhere import answered, refused
from .adapters.evidence import JetStreamEvidence
from .domain.errors import Refusal, TooLong
from .explain_api import response
from .use_cases.explain import Explain, Question


@dataclass(frozen=True)
class Settings:
    """What the environment tells."""

    nats_url: str = field(repr=False)
    shards: int = 4


async def _main(settings: Settings, question: Question) -> bytes:
    async with connected(settings.nats_url, name="dispatch") as bus:
        explain = Explain(
            JetStreamEvidence(bus, settings.shards), lambda: round(time.time() * 1000)
        )
        try:
            return answered(response(await explain(question)))
        except (Refusal, TooLong) as no:
            return refused(no)


if __name__ == "__main__":
    asked = Question(**json.load(sys.stdin))
    sys.stdout.buffer.write(asyncio.run(_main(from_env(Settings), asked)))
