"""A router without sockets that keeps a recording, as the leader's loop would have left it."""

from collections.abc import AsyncGenerator, Iterable
from random import Random

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch import replay
from services.dispatch.adapters.inputs import decode_input, encode_input
from services.dispatch.adapters.records import encode_record
from services.dispatch.adapters.snapshots import write_snapshot
from services.dispatch.domain.decisions import Decision, Offered
from services.dispatch.domain.engine import step
from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    AgentSelection,
    Command,
    CompleteTask,
    DeclineOffer,
    Fact,
    GroupConfigured,
    PresenceObserved,
    QueueConfigured,
    RingStrategy,
    Role,
    TaskClosed,
    TaskSubmitted,
)
from services.dispatch.domain.state import State
from services.dispatch.use_cases.ports import Position, Step
from services.dispatch.use_cases.replay import Divergence, Replay
from tests.faults.journal_reader import Stored

NINE = 1_767_603_600_000
ACME = "acme"
RECORDS_A_SNAPSHOT = 16
QUEUES = ("sales", "support", "vip")


class Recorder:
    """Each input is a record of its own, behind the timers that were due before it."""

    def __init__(self, records_a_snapshot: int = RECORDS_A_SNAPSHOT) -> None:
        self.now = NINE
        self.state = State()
        self.position = Position()
        self.recording: list[wire.Recorded] = []
        self.snapshots: list[tuple[int, int, bytes]] = []
        """Behind one in so many records: its sequence, its moment, the snapshot."""
        self._every = records_a_snapshot
        self._inputs = 0

    def give(self, it: Fact | Command) -> list[Decision]:
        self._inputs += 1
        data = encode_input(it)
        logged = wire.LoggedInput(sequence=self._inputs, at_ms=self.now, data=data)
        self.recording.append(wire.Recorded(input=logged))
        steps = self._due()
        decisions = step(self.state, decode_input(data), self.now)
        if decisions:
            steps.append(Step(self._inputs, self.now, tuple(decisions)))
        self._commit(steps)
        return decisions

    def wait(self, millis: int) -> None:
        self.now += millis
        self._commit(self._due())

    def save(self) -> None:
        """Begin the recording anew, behind a snapshot of now."""
        data = write_snapshot(self.state, self.position)
        self.recording = [wire.Recorded(snapshot=wire.Snapshot.FromString(data))]

    def _due(self) -> list[Step]:
        steps = []
        while (timer := self.state.next_timer()) is not None and timer[0] <= self.now:
            steps.append(Step(0, self.now, tuple(step(self.state, timer[1], self.now))))
        return steps

    def _commit(self, steps: list[Step]) -> None:
        if not steps:
            return
        sequence = self.position.sequence + 1
        data, chain = encode_record(
            self._inputs, steps, chain=self.position.chain, emitted=0, owner_id="recorder"
        )
        self.position = Position(sequence, self._inputs, chain)
        logged = wire.LoggedRecord(sequence=sequence, data=data)
        self.recording.append(wire.Recorded(record=logged))
        if self._every and sequence % self._every == 0:
            saved = write_snapshot(self.state, self.position)
            self.snapshots.append((sequence, self.state.at, saved))


def recording_of(inputs: Iterable[Stored], records: Iterable[Stored]) -> list[wire.Recorded]:
    """Put two logs into the order of a recording."""
    recording, left = [], list(inputs)
    for record in records:
        cursor = wire.Record.FromString(record.data).input_cursor
        while left and left[0].sequence <= cursor:
            it = left.pop(0)
            logged = wire.LoggedInput(sequence=it.sequence, at_ms=it.at, data=it.data)
            recording.append(wire.Recorded(input=logged))
        recording.append(
            wire.Recorded(record=wire.LoggedRecord(sequence=record.sequence, data=record.data))
        )
    return recording


async def replayed(recording: Iterable[wire.Recorded]) -> tuple[Replay, Divergence | None]:
    async def items() -> AsyncGenerator[wire.Recorded, None]:
        for it in recording:
            yield it

    return await replay.replayed(items())


def busy(
    seed: int,
    tasks: int,
    agents: int = 12,
    every_ms: int = 900,
    records_a_snapshot: int = RECORDS_A_SNAPSHOT,
) -> Recorder:
    """Record a day on which agents come, go, accept, decline, let ring and complete."""
    dice, recorder = Random(seed), Recorder(records_a_snapshot)
    for queue_id in QUEUES:
        selection = dice.choice(tuple(AgentSelection))
        recorder.give(QueueConfigured(ACME, queue_id, 1, agent_selection=selection))
    members = tuple(f"agent-{number}" for number in range(0, agents, 2))
    strategy = dice.choice(tuple(RingStrategy))
    recorder.give(GroupConfigured(ACME, "desk", 1, False, members, strategy))
    for number in range(agents):
        queues = tuple(sorted(dice.sample(QUEUES, dice.randint(1, len(QUEUES)))))
        skills = (("es", dice.randint(1, 5)),)
        agent_id = f"agent-{number}"
        recorder.give(AgentConfigured(ACME, agent_id, 1, False, queues, skills, 3))
        recorder.give(PresenceObserved(ACME, agent_id, 0, True, True))
    held: list[tuple[str, str]] = []
    for number in range(tasks):
        recorder.wait(dice.randrange(2 * every_ms))
        queue_id = dice.choice(QUEUES)
        needs = (("es", 2),) if dice.random() < 0.3 else ()
        since = recorder.now - dice.randrange(50)
        group_id = "desk" if dice.random() < 0.2 else ""
        task = TaskSubmitted(ACME, f"task-{number}", queue_id, since, 1, needs, group_id=group_id)
        made = recorder.give(task)
        if held and dice.random() < 0.97:
            task_id, agent_id = held.pop(dice.randrange(len(held)))
            end = CompleteTask(ACME, task_id, agent_id, Role.AGENT, f"c-{number}", "inbox.1")
            made += recorder.give(end)
        if dice.random() < 0.05:
            agent_id, there = f"agent-{dice.randrange(agents)}", dice.random() < 0.7
            made += recorder.give(PresenceObserved(ACME, agent_id, 0, there, there))
        for offer in [one for one in made if isinstance(one, Offered)]:
            chance, request = dice.random(), f"r-{offer.task_id}-{offer.revision}"
            if chance < 0.9:
                answer = AcceptOffer(ACME, offer.task_id, offer.agent_id, request, "inbox.1")
                held.append((offer.task_id, offer.agent_id))
                recorder.give(answer)
            elif chance < 0.95:
                recorder.give(DeclineOffer(ACME, offer.task_id, offer.agent_id, request, "inbox.1"))
        if dice.random() < 0.02:
            recorder.give(TaskClosed(ACME, f"task-{dice.randrange(number + 1)}"))
    return recorder
