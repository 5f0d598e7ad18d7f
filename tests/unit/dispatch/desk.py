"""A router without sockets: inputs go in as bytes, records come out as bytes, all is checked.

Beside the state that decides stand a replica that only folds the records, and a shadow that was
restored from a snapshot and decides once more. The ledger and the oracle judge every step.
"""

from dataclasses import replace
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.adapters.inputs import UnreadableInput, decode_input, encode_input
from services.dispatch.adapters.records import decode_record, encode_record
from services.dispatch.adapters.snapshots import read_snapshot, write_snapshot
from services.dispatch.domain import engine
from services.dispatch.domain.decisions import Answered, Decision, Reason
from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    AgentSelection,
    AssignTask,
    CancelTask,
    Command,
    CompleteTask,
    DeclineOffer,
    ExtendAfterService,
    Fact,
    FinishAfterService,
    GroupConfigured,
    Input,
    MoveTasks,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    ReportUnreachable,
    RingStrategy,
    Role,
    SetQueueMode,
    Skills,
    SubmitTask,
    TakeBackTask,
    TaskClosed,
    TaskSubmitted,
)
from services.dispatch.domain.parties import Task
from services.dispatch.domain.state import State, evolve
from services.dispatch.use_cases.ports import Position, Step
from tests.faults.ledger import Ledger
from tests.faults.oracle import When, judge
from tests.unit.dispatch.explained import explained

NINE = 1_767_603_600_000
ACME = "acme"
NEVER = When(0, 0)


class Desk:
    def __init__(self) -> None:
        self.now = NINE
        self.state = State()
        self.replica = State()
        self.shadow: State | None = None
        self.ledger = Ledger()
        self.position = Position()
        self.inputs = 0
        self._requests = 0

    @property
    def problems(self) -> list[str]:
        return self.ledger.problems

    # Inputs

    def give(self, it: Fact | Command, at: int | None = None) -> list[Decision]:
        return self.take(encode_input(it), at)

    def take(self, data: bytes, at: int | None = None) -> list[Decision]:
        """Decide on an input as the loop does: first what is overdue, then the input."""
        self.inputs += 1
        at = self.now if at is None else at
        steps = self._fire(at)
        try:
            it = decode_input(data)
        except (UnreadableInput, ValueError):
            self._commit(steps)
            return []
        when = When(at, max(at, self.now, self.state.at))
        made = self._step(self.inputs, it, when.decided)
        own = len(steps)
        if made.decisions:
            steps.append(made)
        steps += self._fire(self.now)
        self._commit(steps, wire.Input.FromString(data), when, own)
        return list(made.decisions)

    def wait(self, millis: int) -> list[Decision]:
        """Let time pass; offers ring out."""
        self.now += millis
        steps = self._fire(self.now)
        self._commit(steps)
        return [decision for step in steps for decision in step.decisions]

    def save_and_load(self) -> None:
        """From here on a restored state decides beside the one that never stopped."""
        data = write_snapshot(self.state, self.position)
        self.shadow, position = read_snapshot(data)
        self._insist(position == self.position, "the snapshot changes the position")
        self._insist(truth(self.shadow) == truth(self.state), "the snapshot changes the state")

    def _fire(self, until: int) -> list[Step]:
        steps: list[Step] = []
        while (timer := self.state.next_timer()) is not None and timer[0] <= until:
            if self.shadow is not None:
                self._insist(self.shadow.next_timer() == timer, "the shadow has other timers")
            steps.append(self._step(0, timer[1], max(self.state.at, timer[0], self.now)))
        return steps

    def _step(self, sequence: int, it: Input, at: int) -> Step:
        made = Step(sequence, at, tuple(explained(self.state, it, at, self._insist)))
        if self.shadow is not None:
            again = tuple(engine.step(self.shadow, it, at))
            self._insist(again == made.decisions, "the restored state decides differently")
        return made

    def _commit(
        self, steps: list[Step], it: wire.Input | None = None, when: When = NEVER, own: int = -1
    ) -> None:
        """Write steps down and look at them; `own` is the place of the step made on `it`."""
        if not steps:
            self._judge(it, [], when)
            return
        position = self.position
        data, chain = encode_record(
            self.inputs, steps, chain=position.chain, emitted=position.sequence, owner_id="desk"
        )
        self.position = Position(position.sequence + 1, self.inputs, chain, position.sequence)
        record = decode_record(self.position.sequence, data)
        self._insist(list(record.steps) == steps, "a record reads back as something else")
        self._insist(record.position == self.position, "a position reads back as another")
        for step in record.steps:
            for decision in step.decisions:
                evolve(self.replica, decision, step.at)
        self._insist(truth(self.replica) == truth(self.state), "the fold is not the state")
        if self.shadow is not None:
            self._insist(truth(self.shadow) == truth(self.state), "the shadow is not the state")
        for number, written in enumerate(self.ledger.open(self.position.sequence, data).steps):
            if number == own:
                mine = written.input_sequence == self.inputs
                self._judge(it, list(written.decisions) if mine else [], when)
            self.ledger.step(written)
        if own == len(steps):
            self._judge(it, [], when)
        self.ledger.close()

    def _judge(self, it: wire.Input | None, decisions: list[wire.Decision], when: When) -> None:
        for problem in judge(self.ledger, it, decisions, when) if it is not None else ():
            self._insist(False, problem)

    def _insist(self, true: bool, otherwise: str) -> None:  # noqa: FBT001 - an assertion
        self.ledger.insist(true, otherwise)

    # The words of examples

    def queue(
        self, queue_id: str, selection: AgentSelection = AgentSelection.LONGEST_IDLE, **more: Any
    ) -> None:
        self.give(QueueConfigured(ACME, queue_id, 1, agent_selection=selection, **more))

    def group(
        self,
        group_id: str,
        *member_ids: str,
        strategy: RingStrategy = RingStrategy.SIMULTANEOUS,
        version: int = 1,
        **more: Any,
    ) -> None:
        it = GroupConfigured(ACME, group_id, version, False, member_ids, strategy, **more)
        self.give(it)

    def agent(
        self,
        agent_id: str,
        *queue_ids: str,
        capacity: int | None = 1,
        skills: Skills = (),
        version: int = 1,
        removed: bool = False,
        **more: Any,
    ) -> None:
        """Configure an agent of queue `sales`, or of those named."""
        queues = tuple(sorted(queue_ids or ("sales",)))
        self.give(
            AgentConfigured(ACME, agent_id, version, removed, queues, skills, capacity, **more)
        )

    def here(self, agent_id: str, *, receive_new: bool = True, ready_at: int = 0) -> None:
        seen = PresenceObserved(ACME, agent_id, 0, True, receive_new, ready_at=ready_at)
        self.give(seen)

    def gone(self, agent_id: str) -> None:
        self.give(PresenceObserved(ACME, agent_id))

    def works(self, agent_id: str, *queue_ids: str, capacity: int = 1, skills: Skills = ()) -> None:
        """Configure an agent who is there and takes offers, a millisecond later than the last."""
        self.now += 1
        self.agent(agent_id, *queue_ids, capacity=capacity, skills=skills)
        self.here(agent_id)

    def submit(self, task_id: str, queue_id: str = "sales", *, age: int = 0, **more: Any) -> None:
        self.now += 1
        self.give(TaskSubmitted(ACME, task_id, queue_id, self.now - age, **more))

    def close(self, task_id: str, by: str = "") -> list[Decision]:
        return self.give(TaskClosed(ACME, task_id, by))

    def accept(self, agent_id: str, task_id: str, request_id: str = "") -> str:
        request = request_id or self._request()
        return outcome(self.give(AcceptOffer(ACME, task_id, agent_id, request, "answer.here")))

    def decline(self, agent_id: str, task_id: str, request_id: str = "") -> str:
        request = request_id or self._request()
        return outcome(self.give(DeclineOffer(ACME, task_id, agent_id, request, "answer.here")))

    def assign(
        self,
        actor_id: str,
        task_id: str,
        to: str = "",
        *,
        role: Role = Role.AGENT,
        request_id: str = "",
    ) -> str:
        request = request_id or self._request()
        it = AssignTask(ACME, task_id, actor_id, role, to or actor_id, request, "answer.here")
        return outcome(self.give(it))

    def complete(
        self, actor_id: str, task_id: str, *, role: Role = Role.AGENT, request_id: str = ""
    ) -> str:
        request = request_id or self._request()
        return outcome(
            self.give(CompleteTask(ACME, task_id, actor_id, role, request, "answer.here"))
        )

    def finish(
        self, actor_id: str, task_id: str, *, role: Role = Role.AGENT, request_id: str = ""
    ) -> str:
        request = request_id or self._request()
        return outcome(
            self.give(FinishAfterService(ACME, task_id, actor_id, role, request, "answer.here"))
        )

    def extend(self, agent_id: str, task_id: str) -> str:
        request = self._request()
        return outcome(
            self.give(ExtendAfterService(ACME, task_id, agent_id, request, "answer.here"))
        )

    def unreachable(self, agent_id: str, task_id: str) -> str:
        return outcome(
            self.give(ReportUnreachable(ACME, task_id, agent_id, self._request(), "answer.here"))
        )

    def cancel(self, task_id: str, actor_id: str = "boss", role: Role = Role.MANAGER) -> str:
        it = CancelTask(ACME, task_id, actor_id, role, self._request(), "answer.here")
        return outcome(self.give(it))

    def request(
        self, task: TaskSubmitted, actor_id: str = "boss", role: Role = Role.MANAGER
    ) -> str:
        """Submit a task by command."""
        self.now += 1
        it = SubmitTask(ACME, task, actor_id, role, self._request(), "answer.here")
        return outcome(self.give(it))

    def take_back(
        self,
        task_id: str,
        actor_id: str = "boss",
        role: Role = Role.MANAGER,
        *,
        exclude_agent: bool = False,
    ) -> str:
        request = self._request()
        it = TakeBackTask(ACME, task_id, actor_id, role, exclude_agent, request, "answer.here")
        return outcome(self.give(it))

    def mode(
        self,
        mode: QueueMode,
        queue_id: str = "sales",
        actor_id: str = "boss",
        role: Role = Role.MANAGER,
    ) -> str:
        it = SetQueueMode(ACME, queue_id, mode, actor_id, role, self._request(), "answer.here")
        return outcome(self.give(it))

    def move(
        self,
        queue_id: str,
        to: str,
        *task_ids: str,
        actor_id: str = "boss",
        role: Role = Role.MANAGER,
    ) -> Answered:
        request = self._request()
        it = MoveTasks(ACME, queue_id, to, actor_id, role, task_ids, request, "answer.here")
        return answered(self.give(it))

    def _request(self) -> str:
        self._requests += 1
        return f"request-{self._requests}"

    # What examples look at

    def task(self, task_id: str) -> Task:
        return self.state.tenants[ACME].tasks[task_id]

    def place(self, task_id: str) -> str:
        """Say where a task is: `waits`, `rings ana bo`, `held ana`, `finished by ana`, `ended`."""
        tenant = self.state.tenants[ACME]
        task = tenant.tasks.get(task_id)
        if task is None:
            return "ended" if task_id in tenant.ended else "unknown"
        if task.rings:
            return f"rings {' '.join(sorted(task.offers))}"
        if task.after_service is not None:
            return f"finished by {task.agent_id}"
        return f"held {task.agent_id}" if task.held else "waits"


def answered(decisions: list[Decision]) -> Answered:
    """Return the answer to a command; a command has exactly one."""
    (answer,) = (decision for decision in decisions if isinstance(decision, Answered))
    return answer


def outcome(decisions: list[Decision]) -> str:
    """Say how a command was answered."""
    return str(Reason(answered(decisions).reason)) or "done"


def truth(state: State) -> Any:
    """Return all that must survive, and nothing that is derived."""
    return (
        state.at,
        state.order,
        {
            tenant.id: (
                tenant.settings,
                tenant.queues,
                tenant.groups.configured,
                tenant.modes,
                tenant.vacated,
                {
                    agent.id: (
                        agent.config,
                        agent.presence,
                        agent.loads,
                        agent.turns,
                        sorted(agent.tasks),
                        sorted(agent.kept),
                        sorted(agent.refused),
                        agent.idle_since,
                        agent.idle_order,
                    )
                    for agent in tenant.agents.values()
                },
                {
                    task_id: (
                        task.submitted,
                        task.revision,
                        task.priority,
                        task.excluded,
                        task.refused,
                        task.agent_id,
                        task.offers,
                        task.waits_since,
                        task.overflowed,
                        task.after_service,
                        task.load,
                        task.kept_for,
                        task.kept_until,
                        task.relaxed,
                        task.widens_at,
                        task.wait,
                    )
                    for task_id, task in tenant.tasks.items()
                },
                list(tenant.ended.items()),
                list(tenant.answers.items()),
                tenant.hours,
                list(tenant.last_agents),
                {queue_id: replace(pace) for queue_id, pace in tenant.paces.items()},
            )
            for tenant in state.tenants.values()
            if any((tenant.queues, tenant.groups.configured, tenant.agents, tenant.tasks))
            or any((tenant.ended, tenant.answers))
        },
    )
