"""python -m tests.faults.process: the router as it is, with an accident arranged for it.

ACCIDENT=committed:5:SIGKILL   the process sends itself the signal at the 5th pass of a step
UNLEASED=1                     it leads without asking whether somebody else does
SNAPSHOT_EVERY=20              it saves its state each so many records
PLANT=unfenced                 a bug of `tests.faults.plants`
"""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from services.dispatch import __main__ as dispatch
from services.dispatch.adapters.logs import JetStreamJournal
from services.dispatch.settings import Settings
from services.dispatch.use_cases import lead
from services.dispatch.use_cases.ports import Checkpoint, Leadership, Position, Shard, passed
from services.kernel.env import from_env
from services.kernel.run import run
from tests.faults.plants import PLANTS


def accident(plan: str) -> Checkpoint:
    """Return a checkpoint at which the process meets its fate."""
    if not plan:
        return passed
    where, left, how = plan.split(":")
    countdown = int(left)

    def meet(step: str) -> None:
        nonlocal countdown
        if step == where:
            countdown -= 1
            if countdown == 0:
                os.kill(os.getpid(), signal.Signals[how])

    return meet


class Unleased:
    """Everybody leads, always."""

    successor = ""

    def holds(self) -> bool:
        return True

    @asynccontextmanager
    async def held(self, *_: object) -> AsyncIterator["Unleased"]:
        yield self

    async def pass_on(self) -> None:
        pass

    def leaders(self) -> dict[Shard, Leadership]:
        return {}


@asynccontextmanager
async def unleased(*_: object) -> AsyncIterator[Unleased]:
    yield Unleased()


if __name__ == "__main__":
    if os.environ.get("UNLEASED"):
        cast("Any", dispatch).leases = unleased
    if every := os.environ.get("SNAPSHOT_EVERY"):
        lead.SNAPSHOT_EVERY_RECORDS = int(every)
    if plant := os.environ.get("PLANT"):
        PLANTS[plant]()
    meets = accident(os.environ.get("ACCIDENT", ""))
    append = JetStreamJournal.append

    async def about_to(self: JetStreamJournal, *args: Any, **named: Any) -> Position:
        meets("append")
        return await append(self, *args, **named)

    JetStreamJournal.append = about_to  # type: ignore[method-assign] # a step of its own
    run(partial(dispatch.service, checkpoint=meets), from_env(Settings), name="dispatch")
