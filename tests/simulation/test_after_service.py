"""Work after the work ends when it is due, through the leader's whole loop, on virtual time.

The clock moves only when nobody has anything to do, so what is late is late because the loop did
not look; how late a real clock and a busy machine make it is measured by the bench.
"""

import asyncio
from random import Random

import pytest
from centralita.dispatch.v1 import events_pb2 as public

from services.dispatch.adapters.inputs import encode_input
from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    Command,
    Fact,
    PresenceObserved,
    QueueConfigured,
    TaskClosed,
    TaskSubmitted,
)
from services.dispatch.domain.policy import AfterService, AfterServiceMode, Policy
from services.dispatch.use_cases import lead
from services.dispatch.use_cases.lead import _Term
from tests.faults.journal_reader import Stored
from tests.simulation.bus import Bus
from tests.simulation.loop import Machine, SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.quiet import often_saved_and_quiet
from tests.simulation.router import Router

AGENTS, TASKS = 8, 160
"""So few that events, which go out one at a time here, are not what is late."""
LIMIT_MS = 1_337
MOST_MS = 100
"""How long after its end, at most, the capacity that an after-service held is of use again."""


class Floor:
    """Agents who accept, close at once, and never finish of their own accord."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ends_at: dict[str, int] = {}
        self.overruns: list[int] = []
        """Milliseconds from the end of an after-service to the next ring at its agent."""
        bus.heard = self._heard

    def tell(self, it: Fact | Command) -> None:
        self._bus.take_in(encode_input(it))

    async def open(self) -> None:
        limited = AfterService(AfterServiceMode.LIMITED, limit_ms=LIMIT_MS)
        self.tell(QueueConfigured("acme", "sales", 1, policy=Policy(after_service=limited)))
        for number in range(AGENTS):
            name = f"a{number}"
            self.tell(AgentConfigured("acme", name, 1, False, ("sales",), (), 1))
            self.tell(PresenceObserved("acme", name, 1, connected=True, receive_new=True))
        for number in range(TASKS):
            self.tell(TaskSubmitted("acme", f"t{number}", "sales", self._bus.now()))
        others = 0
        while len(self.overruns) < TASKS - AGENTS:
            # At times there is other work to decide on, at times there is none.
            await asyncio.sleep(self._bus.dice.expovariate(5))
            others += 1
            self.tell(TaskSubmitted("acme", f"other-{others}", "nobodys", self._bus.now()))

    def _heard(self, event: Stored) -> None:
        match event.headers["ce-type"].rpartition(".")[2]:
            case "AfterServiceStarted":
                started = public.AfterServiceStarted.FromString(event.data)
                self._ends_at[started.agent_id] = started.ends_at.ToMilliseconds()
            case "TaskOffered":
                offered = public.TaskOffered.FromString(event.data)
                if offered.agent_id in self._ends_at:
                    ends_at = self._ends_at.pop(offered.agent_id)
                    self.overruns.append(self._bus.now() - ends_at)
                self.tell(AcceptOffer("acme", offered.task_id, offered.agent_id))
            case "TaskAssigned":
                held = public.TaskAssigned.FromString(event.data)
                self.tell(TaskClosed("acme", held.task_id))
            case _:
                pass


def overruns(seed: int) -> list[int]:
    """Say how long after each forced exit its agent was rung again, in one world."""
    dice = Random(seed)
    loop = SimulatedLoop(dice)
    bus = Bus(dice)

    async def world() -> list[int]:
        floor = Floor(bus)
        router = Router(bus, Network(dice, 0.0, 0.0), "router", leased=False)
        router.clock = bus.now  # type: ignore[method-assign] # one clock for all: no skew
        leading = loop.boot(Machine(router.name), router.lead())
        async with asyncio.timeout(600):
            await floor.open()
        leading.cancel()
        await asyncio.wait([leading])
        return floor.overruns

    try:
        return loop.run_until_complete(world())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.fixture(autouse=True)
def _often_saved_and_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    often_saved_and_quiet(monkeypatch.setattr)


@pytest.mark.parametrize("seed", range(3))
def test_capacity_is_held_to_the_end_of_an_after_service_and_hardly_longer(seed: int) -> None:
    late = overruns(seed)
    assert len(late) >= TASKS - AGENTS
    assert min(late) >= 0
    assert max(late) <= MOST_MS


def test_a_loop_that_only_looks_up_now_and_then_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Term, "patience", lambda _: lead.LOOK_UP_S)
    assert max(overruns(0)) > MOST_MS
