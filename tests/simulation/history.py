"""One world from its seed to its end, and what is wrong with what happened in it."""

import asyncio
from dataclasses import dataclass
from random import Random

from tests.faults.journal_reader import Audit, audit

from .bus import Bus
from .deciding import decided_again, folded_from
from .loop import Machine, SimulatedLoop
from .network import Network
from .outside import audited, followed, told_of
from .people import BOTHERS_S, TASKS, People
from .router import Router

SEATS = 2
STUCK_S = 120.0
"""Who is not done so long after all is calm never will be."""
QUIET_S = 8.0
"""For whoever leads last to tell all."""
ROADS = ((0.0, 0.0), (0.01, 0.0), (0.01, 0.01), (0.05, 0.02))
"""Shares of messages that are lost, and of requests that are served too late."""
STEPS_BETWEEN_FAULTS = 80


@dataclass
class History:
    """What happened, and what of it must not happen."""

    bus: Bus
    found: Audit
    problems: list[str]
    steps: int
    faults: int
    deaths: list[tuple[str, int]]
    """Who died, and before which step of theirs."""
    cancelled: set[str]


class World:
    """Two seats for routers, people, and a bus between them."""

    def __init__(self, seed: int, router: type[Router], kill_at: int) -> None:
        self.dice = Random(seed)
        self.loop = SimulatedLoop(self.dice)
        self.bus = Bus(self.dice)
        self.calm = False
        self.faults = 0
        self.deaths: list[tuple[str, int]] = []
        self._router = router
        self._kill_at = kill_at
        # In a world without leases everybody leads, always.
        self._leased = seed % 3 != 0
        self._machines: list[Machine] = []
        self._networks: list[Network] = []

    async def live(self) -> People:
        people = People(self.bus)
        seats = [asyncio.create_task(self._seat(number)) for number in range(SEATS)]
        living = asyncio.create_task(people.live())
        try:
            await asyncio.wait([living], timeout=BOTHERS_S + self.dice.random() * 5)
            self.calm = True
            for network in self._networks:
                network.heal()
            people.calm.set()
            await asyncio.wait([living], timeout=STUCK_S)
            assert living.done(), f"ended are only {sorted(people.ended)}"
            await living
            await asyncio.sleep(QUIET_S)
        finally:
            for task in (living, *seats):
                task.cancel()
            await asyncio.gather(living, *seats, return_exceptions=True)
            for machine in self._machines:
                self.loop.kill(machine)
            self.loop.bury(self._machines)
        return people

    async def _seat(self, number: int) -> None:
        """Keep a router on this seat, a new one for each that died."""
        generation = 0
        while True:
            generation += 1
            machine = Machine(f"p{number}.{generation}")
            network = Network(self.dice, *((0.0, 0.0) if self.calm else self.dice.choice(ROADS)))
            self._machines.append(machine)
            self._networks.append(network)
            fate = Fate(self, machine, network)
            if self._kill_at and number + generation == 1:
                fate.die_at(self._kill_at)
            router = self._router(self.bus, network, machine.name, leased=self._leased)
            self.loop.boot(machine, router.lead())
            await fate.death.wait()
            await asyncio.sleep(self.dice.random() * 2)


class Fate:
    """What meets a machine between its steps."""

    def __init__(self, world: World, machine: Machine, network: Network) -> None:
        self._world, self._machine, self._network = world, machine, network
        self.death = asyncio.Event()
        self._how = ""
        self._at = 0
        self._go_on()
        machine.fate = self._meet

    def die_at(self, step: int) -> None:
        """Arrange the first accident: death before this very step."""
        self._at, self._how = step, "dies"

    def _go_on(self) -> None:
        dice = self._world.dice
        self._at += 1 + int(dice.expovariate(1 / STEPS_BETWEEN_FAULTS))
        self._how = dice.choice(("dies", "dies", "freezes", "is cut off"))

    def _meet(self) -> None:
        if self._machine.steps + 1 < self._at or self._world.calm:
            return
        dice, loop = self._world.dice, self._world.loop
        self._world.faults += 1
        match self._how:
            case "dies":
                loop.kill(self._machine)
                self._world.deaths.append((self._machine.name, self._machine.steps + 1))
                self.death.set()
            case "freezes":
                loop.freeze(self._machine, dice.choice((0.2, 1.0, 3.0, 6.0)))
            case _:
                self._network.cut(dice.choice((0.5, 2.5, 7.0)))
        self._go_on()


def history(seed: int, router: type[Router] = Router, *, kill_at: int = 0) -> History:
    """Live through one world. `kill_at`: the first router dies before exactly this step."""
    world = World(seed, router, kill_at)
    try:
        people = world.loop.run_until_complete(world.live())
    finally:
        world.loop.run_until_complete(world.loop.shutdown_asyncgens())
        world.loop.close()
    bus = world.bus
    found = audit(bus.inputs, bus.records, bus.events, people.line.answers)
    told = told_of(bus.events)
    problems = [
        *found.problems,
        *(f"{task} has not ended" for task in range(TASKS) if f"t{task}" not in people.ended),
        *(f"{task} is unknown" for task in found.unknown(("acme", it) for it in people.ended)),
        *followed(told),
        *audited(told, people.line.settled),
        *decided_again(bus.inputs, bus.records),
        *folded_from(bus.snapshot, bus.records),
    ]
    return History(
        bus,
        found,
        problems,
        steps=world.loop.steps,
        faults=world.faults,
        deaths=world.deaths,
        cancelled=people.cancelled,
    )
