"""One round: install, torment under load, let everything heal, read all logs, judge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from services.kernel.bus import Bus, connected
from services.kernel.ending import beside
from tests.faults.journal_reader import stored

from .asking import Lines
from .checks import Verdict, judge
from .customers import Announced, Writing
from .installation import LEASE_S, Installation, Plan, installed
from .people import QUEUES, TENANTS, People
from .records import Evidence
from .torment import Tormentor

HEALED_WITHIN_S = 60.0


@dataclass
class Round:
    plan: Plan
    evidence: Evidence
    verdict: Verdict


async def run(
    home: Path, plan: Plan, seed: str, seconds: float, *, patience_s: float = HEALED_WITHIN_S
) -> Round:
    """Live through one round of so many seconds, and the time it takes to heal."""
    evidence = Evidence(lease_ms=LEASE_S * 1000)
    async with (
        installed(home, plan) as it,
        connected(it.nats_url, name="chaos") as bus,
        _people(it, bus, evidence, seed) as people,
    ):
        until = asyncio.get_running_loop().time() + seconds
        tormentor = Tormentor(it, bus, evidence, Random(f"{seed} faults"), people.hush)
        async with beside(tormentor.torment(until)) as tormented:
            await people.work(until)
            await tormented
        await people.done(patience_s)
        for dispatch in it.named("dispatch"):
            await asyncio.to_thread(dispatch.stop)
        evidence.inputs = await stored(bus.js, "DISPATCH_IN")
        evidence.records = await stored(bus.js, "DISPATCH_JOURNAL")
        evidence.events = await stored(bus.js, "DISPATCH")
    return Round(plan, evidence, judge(evidence))


@asynccontextmanager
async def _people(
    it: Installation, bus: Bus, evidence: Evidence, seed: str
) -> AsyncIterator[People]:
    dice = Random(f"{seed} people")
    async with AsyncExitStack() as stack:
        lines = Lines(it, dice)
        stack.push_async_callback(lines.close)
        writing = Writing(bus, lines, evidence, dice) if it.plan.chat else None
        people = People(bus, lines, writing or Announced(bus, evidence), evidence, dice)
        if writing is not None:
            stack.push_async_callback(writing.leave)
            await stack.enter_async_context(beside(writing.listen()))
        await stack.enter_async_context(beside(people.listen()))
        await stack.enter_async_context(beside(people.watch_presence()))
        await people.set_up()
        if writing is not None:
            for tenant in TENANTS:
                await writing.connect(tenant, QUEUES[0])
        yield people
        if writing is not None:
            await writing.read()
        await people.leave()
