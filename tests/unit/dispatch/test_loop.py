"""The leader's loop under every accident: R1 to R5 and R13, in hundreds of worlds of chance."""

import asyncio
import logging
import os
from collections.abc import Iterator
from random import Random

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.options.v1.options_pb2 import ROLE_AGENT

from services.dispatch.use_cases import lead as loop_of
from services.dispatch.use_cases.ports import Entry, Position, Step
from tests.faults.journal_reader import Audit, Stored, audit
from tests.unit.dispatch import simulation
from tests.unit.dispatch.simulation import Process, SimulatedOutlet, VirtualLoop, World

WORLDS = int(os.environ.get("WORLDS", "600"))
CHECKPOINTS = ("folded", "told again", "read", "decided", "committed", "told", "saved", "anywhere")
TASKS, AGENTS = 8, 3


@pytest.fixture(autouse=True)
def _often_saved_and_quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(loop_of, "SNAPSHOT_EVERY_RECORDS", 7)
    logging.getLogger("services.dispatch").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("services.dispatch").setLevel(logging.NOTSET)


class People:
    """Customers and agents of one world; they repeat what is not answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.completed: set[str] = set()
        self.answers: list[tuple[str, str, str]] = []
        self._awaited: dict[str, asyncio.Future[str]] = {}
        self._asked = 0
        self._versions = 0
        self._work: set[asyncio.Task[None]] = set()
        world.heard, world.answered = self.hear, self.told

    async def live(self) -> None:
        for number in range(AGENTS):
            agent = wire.AgentConfigured(
                agent_id=f"a{number}", version=1, queue_ids=["sales"], capacity=1 + number % 2
            )
            self.world.take_in(wire.Input(tenant_id="acme", agent_configured=agent))
        await self.take_a_break()
        for number in range(TASKS):
            await asyncio.sleep(self.world.dice.random() * 0.3)
            task = wire.TaskSubmitted(
                task_id=f"t{number}", queue_id="sales", enqueued_at_ms=self.world.now(), cost=1
            )
            for _ in range(self.world.dice.randint(1, 2)):  # delivered at least once
                self.world.take_in(wire.Input(tenant_id="acme", task_submitted=task))
        while len(self.completed) < TASKS:
            await asyncio.sleep(5)
            if asyncio.get_running_loop().time() > 30:
                self.world.calm = True
                await self.take_a_break()
            assert asyncio.get_running_loop().time() < 120, f"stuck: {sorted(self.completed)}"
        await asyncio.gather(*self._work)

    async def take_a_break(self) -> None:
        for willing in (False, True):
            self._versions += 1
            for number in range(AGENTS):
                seen = wire.PresenceObserved(
                    agent_id=f"a{number}",
                    version=self._versions,
                    connected=True,
                    receive_new=willing,
                )
                self.world.take_in(wire.Input(tenant_id="acme", presence_observed=seen))

    def hear(self, event: Stored) -> None:
        kind = event.headers["ce-type"].rpartition(".")[2]
        if kind == "TaskCompleted":
            self.completed.add(public.TaskCompleted.FromString(event.data).task_id)
        elif kind == "TaskOffered":
            offer = public.TaskOffered.FromString(event.data)
            work = asyncio.get_running_loop().create_task(self.work(offer))
            self._work.add(work)

    async def work(self, it: public.TaskOffered) -> None:
        choice = self.world.dice.random()
        if choice < 0.1 and not self.world.calm:
            return
        if choice < 0.2 and not self.world.calm:
            no = wire.DeclineOffer(task_id=it.task_id, agent_id=it.agent_id)
            await self.ask(wire.Input(tenant_id="acme", decline_offer=no))
            return
        yes = wire.AcceptOffer(task_id=it.task_id, agent_id=it.agent_id)
        if await self.ask(wire.Input(tenant_id="acme", accept_offer=yes)):
            return
        over = wire.CompleteTask(task_id=it.task_id, actor_id=it.agent_id, actor_role=ROLE_AGENT)
        await asyncio.sleep(self.world.dice.random())
        await self.ask(wire.Input(tenant_id="acme", complete_task=over))

    async def ask(self, command: wire.Input) -> str:
        self._asked += 1
        command.request_id = f"r{self._asked}"
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._awaited[command.request_id] = answer
        while not answer.done():
            await asyncio.sleep(self.world.dice.random() * 0.01)
            command.reply_to = f"inbox.{self.world.dice.randrange(10**6)}"
            self.world.take_in(command)
            await asyncio.wait([answer], timeout=1.0)
        return answer.result()

    def told(self, answer: wire.Answered, _: str) -> None:
        self.answers.append((answer.tenant_id, answer.request_id, answer.reason))
        awaited = self._awaited[answer.request_id]
        if not awaited.done():
            awaited.set_result(answer.reason)


def history(seed: int, process: type[Process] = Process) -> tuple[World, Audit]:
    """Live through one world, two processes at a time, each replaced when it dies."""
    world = World(seed)
    fates = Random(seed)

    async def seat(number: int) -> None:
        generation = 0
        while True:
            generation += 1
            where = CHECKPOINTS[(seed + generation + number) % len(CHECKPOINTS)]
            passes = fates.randint(1, 60 if where in {"anywhere", "read"} else 8)
            fate = (where, passes, fates.choice(("dies", "sleeps")))
            one = process(world, f"p{number}.{generation}", fate)
            try:
                await simulation.lead(one)
            except simulation.Killed:
                await asyncio.sleep(fates.random())

    async def live() -> Audit:
        people = People(world)
        seats = [asyncio.create_task(seat(number)) for number in range(2)]
        try:
            await people.live()
            world.calm = True
            await asyncio.sleep(10)  # for whoever leads last to tell all
        finally:
            for one in seats:
                one.cancel()
            await asyncio.gather(*seats, return_exceptions=True)
        return audit(world.inputs, world.records, world.events, people.answers)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return world, runner.run(live())


@pytest.mark.timeout(180)
def test_no_accident_loses_or_doubles_anything() -> None:
    fenced = 0
    for seed in range(WORLDS):
        world, found = history(seed)
        assert not found.problems, f"world {seed}: {found.problems[:5]}"
        assert found.shards["0"].completed == TASKS, f"world {seed}"
        fenced += world.fenced
    assert fenced > WORLDS // 10  # else nobody was ever in danger


def test_the_same_world_has_the_same_history() -> None:
    assert history(5)[0].records == history(5)[0].records


class Unfenced(Process):
    def refuses(self, since: Position) -> bool:
        return False


class DropsAnEvent(Process):
    def __init__(self, world: World, name: str, fate: tuple[str, int, str]) -> None:
        super().__init__(world, name, fate)
        world.publish = lambda event: (  # type: ignore[method-assign] # planted
            None if event.headers["ce-id"].endswith("7-1") else World.publish(world, event)
        )


def caught(process: type[Process] = Process, worlds: int = 40) -> bool:
    for seed in range(worlds):
        try:
            _, found = history(seed, process)
        except (AssertionError, ExceptionGroup, KeyError):
            return True
        if found.problems:
            return True
    return False


@pytest.mark.parametrize("process", [Unfenced, DropsAnEvent])
def test_a_process_is_caught_that_is(process: type[Process]) -> None:
    assert caught(process)


def test_a_leader_is_caught_that_tells_before_it_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def turn(self: loop_of._Term, batch: list[Entry]) -> None:
        self._sound = False
        steps = self._decide(batch)
        self._ports.checkpoint("decided")
        if steps:
            cursor = batch[-1].sequence if batch else self._position.cursor
            await self._outlet.emit(self._position.sequence + 1, steps)
            self._position = await self._ports.journal.append(
                self._shard, cursor, steps, since=self._position, emitted=self._outlet.emitted
            )
        self._sound = True

    monkeypatch.setattr(loop_of._Term, "turn", turn)
    assert caught()


def test_a_leader_is_caught_that_does_not_tell_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object) -> None:
        pass

    monkeypatch.setattr(loop_of.Lead, "_tell_again", silent)
    assert caught()


def test_a_leader_is_caught_that_passes_over_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = loop_of._Term._decide

    def careless(self: loop_of._Term, batch: list[Entry]) -> list[Step]:
        return decide(self, batch[1:] if len(batch) > 2 else batch)

    monkeypatch.setattr(loop_of._Term, "_decide", careless)
    assert caught()


def test_a_leader_is_caught_that_goes_on_after_an_unknown_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def told_too_early(self: SimulatedOutlet, record: int, steps: list[Step]) -> None:
        await emit(self, record, steps)
        self._emitted = record

    emit = SimulatedOutlet.emit
    monkeypatch.setattr(SimulatedOutlet, "emit", told_too_early)
    assert caught()
