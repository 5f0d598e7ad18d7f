"""The journal of a shard, read by somebody who does not trust the router.

Plain dictionaries and brute force over the protobuf of the records: nothing of services.dispatch
is used, so that a mistake made there is not made here as well. What must never be is written to
`problems` as it is found, with the journal sequence at which it happened.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from tests.faults import answers, authority, groups, refusals, removal, rules, searches, waits
from tests.faults.answers import Answer
from tests.faults.book import HELD, NOWHERE, RINGS, WAITS, Agent, Book, Key, Task

ENDED_KEPT_MS = 24 * 3_600_000


@dataclass
class Ledger(Book):
    """What the records say so far."""

    problems: list[str] = field(default_factory=list)
    ended: dict[Key, tuple[str, int]] = field(default_factory=dict)
    answers: dict[Key, Answer] = field(default_factory=dict)
    owners: list[str] = field(default_factory=list)
    completed: int = 0
    cursor: int = 0
    chain: bytes = b""
    sequence: int = 0
    changes: int = 0
    last_input: int = 0
    openings: dict[Key, wire.OpeningsForeseen] = field(default_factory=dict)
    hours: dict[Key, wire.QueueTurned] = field(default_factory=dict)
    given_up: dict[Key, int] = field(default_factory=dict)
    """What must change in this step because its agent is lost, and the revision it had."""
    chose_ready: set[Key] = field(default_factory=set)
    """Who chose Ready in this step."""
    acts: list[wire.Acted] = field(default_factory=list)
    """What somebody with authority did in this step."""
    newcomers: set[Key] = field(default_factory=set)
    """What came into a queue in this step."""
    moved: list[tuple[str, ...]] = field(default_factory=list)
    """Tenant, place before and queue after of each task that was moved in this step."""
    goes_on: bool = False
    ends: dict[Key, int] = field(default_factory=dict)
    """How the last offer of each task ended in this step."""

    def record(self, sequence: int, data: bytes) -> list[wire.Step]:
        """Fold one record and return its steps."""
        message = self.open(sequence, data)
        for step in message.steps:
            self.step(step)
        self.close()
        return list(message.steps)

    def open(self, sequence: int, data: bytes) -> wire.Record:
        """Check what holds a record to the one before."""
        message = wire.Record.FromString(data)
        self.insist(sequence > self.sequence, "sequence does not rise")
        self.sequence = sequence
        body = wire.Record(input_cursor=message.input_cursor, steps=message.steps)
        linked = blake2b(self.chain + body.SerializeToString(deterministic=True), digest_size=16)
        self.insist(message.chain == linked.digest(), "chain broken: decided on another past")
        self.chain = message.chain
        self.insist(message.input_cursor >= self.cursor, "cursor falls")
        self.insist(message.emitted < sequence, "tells what was not yet committed")
        self.cursor, self.goes_on = message.input_cursor, message.goes_on
        if not self.owners or self.owners[-1] != message.owner_id:
            self.owners.append(message.owner_id)
        return message

    def close(self) -> None:
        """Check what is true after every record, and after all where one moment needed several."""
        if self.goes_on:
            return
        for (_, task_id), task in self.tasks.items():
            late = [agent for agent, until in task.offers.items() if until <= self.at]
            self.insist(not late, f"{task_id} rings beyond its deadline")
        searches.close(self)
        waits.close(self)
        refusals.close(self)

    def step(self, step: wire.Step) -> None:
        """Fold what followed from one input or timer; look around when it is done."""
        self.insist(step.at_ms >= self.at, "time falls")
        self.insist(bool(step.decisions), "empty step")
        self.at = step.at_ms
        if step.input_sequence:
            self.insist(step.input_sequence > self.last_input, "an input decided twice")
            self.insist(step.input_sequence <= self.cursor, "an input beyond the cursor")
            self.last_input = step.input_sequence
        for decision in step.decisions:
            kind = decision.WhichOneof("body")
            if kind is None:
                self.insist(False, "unknown decision")
                continue
            _FOLDS[kind](self, getattr(decision, kind))
        self._look_around()

    def insist(self, true: bool, otherwise: str) -> None:  # noqa: FBT001 - an assertion
        if not true:
            self.problems.append(f"{self.sequence}: {otherwise}")

    # Folds

    def _load(self, tenant_id: str, task_id: str, agent_id: str) -> None:
        agent = self.agent(tenant_id, agent_id)
        task = self.tasks[tenant_id, task_id]
        room = self.capacity(tenant_id, agent)
        fits = rules.fits(task.takes, self.loads(tenant_id, agent), room)
        self.insist(fits, f"{agent_id} holds more than their capacity")
        agent.has.add(task_id)
        self._changed(agent)
        holders = self.having(tenant_id, task_id)
        known = sorted({agent_id, *task.offers})
        self.insist(sorted(holders) == known, f"{task_id} is with {holders}, not {known}")

    def _unload(self, tenant_id: str, task_id: str, agent_id: str) -> None:
        agent = self.agent(tenant_id, agent_id)
        agent.has.discard(task_id)
        self._changed(agent)

    def _changed(self, agent: Agent) -> None:
        self.changes += 1
        agent.idle_from = self.changes

    def next_of(self, it: Any, *places: str) -> Task | None:
        """Find the task of a decision and check that it comes next in the task's life."""
        task = self.tasks.get((it.tenant_id, it.task_id))
        name = type(it).__name__
        if task is None:
            self.insist(False, f"{name} of {it.task_id}, which is nowhere")
            return None
        self.insist(task.place in places, f"{name} of {it.task_id}, which {task.place}")
        self.insist(it.revision == task.revision + 1, f"{name} of {it.task_id}: revision jumps")
        self.insist(it.queue_id == task.submitted.queue_id, f"{name}: another queue")
        task.revision = it.revision
        return task

    def _received(self, tenant_id: str, agent_id: str, agent: Agent, before: bool) -> None:  # noqa: FBT001
        if agent.receives() and not before:
            self._changed(agent)
            refusals.all_of(self, tenant_id, agent_id)

    def queue_set(self, it: wire.QueueSet) -> None:
        key = (it.tenant_id, it.queue.queue_id)
        self.queues[key] = it.queue
        removal.put(self, it.tenant_id, it.queue.queue_id, "", it.queue)
        if not it.queue.policy.HasField("business_hours"):
            self.openings.pop(key, None)
            self.hours.pop(key, None)
        for (tenant_id, _), task in self.tasks.items():
            if (tenant_id, task.submitted.queue_id) == key and task.place == WAITS:
                task.priority = task.submitted.priority or it.queue.priority
                self.settle(tenant_id, task)

    def queue_mode_set(self, it: wire.QueueModeSet) -> None:
        key = (it.tenant_id, it.queue_id)
        before = self.modes.get(key, public.QUEUE_MODE_OPEN)
        self.insist(it.mode != before, f"{it.queue_id} is set to what it is")
        self.modes[key] = it.mode

    def acted(self, it: wire.Acted) -> None:
        self.insist(it.at_ms == self.at, "an act at another time")
        self.acts.append(it)

    def agent_set(self, it: wire.AgentSet) -> None:
        agent = self.agent(it.tenant_id, it.agent.agent_id)
        before = agent.receives()
        agent.config = it.agent
        self.forget_removed(it)
        agent.turns = {
            queue_id: turn
            for queue_id, turn in agent.turns.items()
            if queue_id in it.agent.queue_ids
        }
        self._received(it.tenant_id, it.agent.agent_id, agent, before)

    def presence_set(self, it: wire.PresenceSet) -> None:
        agent = self.agent(it.tenant_id, it.presence.agent_id)
        before = agent.receives()
        refusals.chooses(self, it, agent.presence)
        agent.presence = it.presence
        self.given_up |= waits.given_up(self, it.tenant_id, it.presence.agent_id)
        self._received(it.tenant_id, it.presence.agent_id, agent, before)

    def queued(self, it: wire.Queued) -> None:
        key = (it.tenant_id, it.task.task_id)
        task = self.tasks.get(key)
        if task is None:
            _, ended_at = self.ended.pop(key, ("", self.at - ENDED_KEPT_MS))
            remembered = self.at - ended_at < ENDED_KEPT_MS
            self.insist(not remembered, f"{key[1]} is queued after its end")
            self.insist(it.revision == 1, "the first revision is not 1")
            self.insist(not it.excluded, "excludes somebody before any offer")
            waits_since, priority = min(it.task.enqueued_at_ms, self.at), self.priority(it)
            task = self.tasks[key] = Task(it.task, priority, waits_since=waits_since)
            self.newcomers.add(key)
            searches.keeps(self, it, task)
            self.settle(it.tenant_id, task)
            return
        self.insist(not it.kept_for, f"{key[1]} is kept for somebody once more")
        authority.comes_back(self, it, task)
        if task.place == HELD:
            self._unload(it.tenant_id, key[1], task.agent_id)
            task.waits_since = self.at
        task.place, task.revision, task.agent_id = WAITS, it.revision, ""
        self.settle(it.tenant_id, task)

    def offered(self, it: wire.Offered) -> None:
        task = self.next_of(it, WAITS, RINGS)
        if task is None:
            return
        tenant_id = it.tenant_id
        group = self.group(tenant_id, task)
        several = group is not None and groups.at_once(group)
        self.insist(task.place == WAITS or several, f"{it.task_id} rings at one more")
        self.insist(it.group_id == task.submitted.group_id, "offered as of another group")
        others = list(it.also_ringing_agent_ids)
        self.insist(others == sorted(task.offers), f"{it.task_id} is said to ring at others")
        if (tenant_id, it.agent_id) not in self.agents:
            self.insist(False, f"offered to {it.agent_id}, who is unknown")
            return
        self.insist(
            self.suits(tenant_id, it.agent_id, task),
            f"{it.task_id} is offered to {it.agent_id}, who must not get it",
        )
        self.insist(not waits.shut(self, tenant_id, task), f"{it.task_id} rings after closing time")
        queue = self.queue(tenant_id, task.submitted.queue_id)
        rings_for = queue.offer_timeout_ms if group is None else group.ring_timeout_ms
        self.insist(
            it.expires_at_ms == self.at + rings_for,
            "the offer does not ring as long as its queue or group says",
        )
        first = min(
            (
                other
                for other in self.waiting(tenant_id)
                if self.suits(tenant_id, it.agent_id, other)
            ),
            key=lambda other: self.precedence(tenant_id, other),
            default=task,
        )
        self.insist(
            self.precedence(tenant_id, first) >= self.precedence(tenant_id, task),
            f"{it.task_id} goes before {first.submitted.task_id}, which comes first",
        )
        free = (
            agent_id
            for owner, agent_id in self.agents
            if owner == tenant_id and self.suits(tenant_id, agent_id, task)
        )
        mine = self.preference(tenant_id, it.agent_id, task)
        best = min((self.preference(tenant_id, who, task) for who in free), default=mine)
        self.insist(best == mine, f"{it.agent_id} is preferred to somebody better")
        task.place = RINGS
        self._load(tenant_id, it.task_id, it.agent_id)
        task.offers[it.agent_id] = it.expires_at_ms
        task.kept_for, task.kept_until = "", 0
        by = rules.selection(queue, task.takes.channel)
        if by == directory.AGENT_SELECTION_ROUND_ROBIN and not task.submitted.group_id:
            self.changes += 1
            self.agent(tenant_id, it.agent_id).turns[it.queue_id] = self.changes

    def offer_closed(self, it: wire.OfferClosed) -> None:
        task = self.next_of(it, RINGS)
        if task is None:
            return
        until = task.offers.pop(it.agent_id, None)
        self.insist(until is not None, f"{it.task_id} did not ring at {it.agent_id}")
        self.insist(
            (list(it.also_ringing_agent_ids), it.expires_at_ms)
            == (sorted(task.offers), min(task.offers.values(), default=0)),
            f"{it.task_id} is said to ring on at others",
        )
        if it.end == public.OFFER_END_TIMED_OUT:
            self.insist((until or 0) <= self.at, f"{it.task_id} rang out too early")
        if it.end in refusals.ENDS:
            refusals.refused(task, it.agent_id, self.at)
        self._unload(it.tenant_id, it.task_id, it.agent_id)
        task.place = RINGS if task.offers else NOWHERE
        self.ends[it.tenant_id, it.task_id] = it.end

    def assigned(self, it: wire.Assigned) -> None:
        places = (WAITS, NOWHERE, RINGS) if it.assigned_by else (RINGS,)
        task = self.next_of(it, *places)
        if task is None:
            return
        if task.place == RINGS:
            rang = list(task.offers)
            self.insist(rang == [it.agent_id], f"{it.task_id} rings at {rang} as well")
            task.offers.clear()
        else:
            self._load(it.tenant_id, it.task_id, it.agent_id)
        task.place, task.agent_id = HELD, it.agent_id
        refusals.forgotten(task, it.agent_id)
        task.kept_for, task.kept_until = "", 0
        self._remember(it.tenant_id, task)

    def _remember(self, tenant_id: str, task: Task) -> None:
        queue = self.queue(tenant_id, task.submitted.queue_id)
        if queue.sticky_to == directory.Sticky.TO_LAST and task.submitted.contact_id:
            self.last_agents[tenant_id, task.submitted.contact_id] = (task.agent_id, self.at)

    def completed_(self, it: wire.Completed) -> None:
        task = self.next_of(it, HELD)
        if task is None:
            return
        self.insist(task.agent_id == it.agent_id, f"{it.task_id} is held by {task.agent_id}")
        self._remember(it.tenant_id, task)
        waits.completes(self, it, task)
        self._unload(it.tenant_id, it.task_id, it.agent_id)
        self.completed += 1
        self._end(it.tenant_id, it.task_id, "completed")

    def cancelled(self, it: wire.Cancelled) -> None:
        if (it.tenant_id, it.task_id) in self.tasks:
            task = self.next_of(it, WAITS, NOWHERE)
            if task is not None:
                waits.ends(self, it, task)
        else:
            self.insist(it.revision == 1 and not it.queue_id, f"{it.task_id}: odd cancellation")
        self._end(it.tenant_id, it.task_id, "cancelled")

    def _end(self, tenant_id: str, task_id: str, how: str) -> None:
        key = (tenant_id, task_id)
        known = self.ended.get(key)
        if known is not None:
            self.insist(self.at - known[1] >= ENDED_KEPT_MS, f"{task_id} ends twice")
        for agent_id in self.having(tenant_id, task_id):
            self.insist(False, f"{task_id} ends and is still with {agent_id}")
            self.agent(tenant_id, agent_id).has.discard(task_id)
        self.tasks.pop(key, None)
        self.ended[key] = (how, self.at)

    def _look_around(self) -> None:
        waits.look_around(self)
        refusals.look_around(self)
        for key, end in self.ends.items():
            if end == public.OFFER_END_TAKEN_ELSEWHERE:
                taken = key in self.tasks and self.tasks[key].place == HELD
                self.insist(taken, f"{key[1]} is said to be taken and is not")
            if end in {public.OFFER_END_CALLER_GAVE_UP, public.OFFER_END_CANCELLED}:
                self.insist(key not in self.tasks, f"{key[1]} is called off and goes on")
        self.ends.clear()
        authority.has_acted(self)
        for (tenant_id, task_id), task in self.tasks.items():
            self.insist(task.place != NOWHERE, f"{tenant_id}/{task_id} is lost between two places")
        for (tenant_id, agent_id), agent in self.agents.items():
            left = agent.has if agent.config.removed else ()
            self.insist(not left, f"{agent_id} is removed and still has {left}")
            if not agent.receives():
                continue
            for task in self.waiting(tenant_id):
                self.insist(
                    not self.suits(tenant_id, agent_id, task),
                    f"{agent_id} is free and {task.submitted.task_id} waits",
                )


_FOLDS: dict[str, Callable[[Ledger, Any], None]] = {
    "queue_set": Ledger.queue_set,
    "queue_set_asking_again": Ledger.queue_set,
    "queue_mode_set": Ledger.queue_mode_set,
    "group_set": removal.group_set,
    "group_set_asking_again": removal.group_set,
    "vacated": removal.vacated,
    "agent_set": Ledger.agent_set,
    "agent_set_taking_nothing": Ledger.agent_set,
    "tenant_set": Ledger.tenant_set,
    "presence_set": Ledger.presence_set,
    "queued": Ledger.queued,
    "widened": searches.widened,
    "pause_over": refusals.pause_over,
    "refusals_forgotten": refusals.refusals_forgotten,
    "offered": Ledger.offered,
    "offer_closed": Ledger.offer_closed,
    "assigned": Ledger.assigned,
    "completed": Ledger.completed_,
    "cancelled": Ledger.cancelled,
    "acted": Ledger.acted,
    "answered": answers.answered,
    "openings_set": waits.openings_set,
    "queue_turned": waits.queue_turned,
    "overflowed": waits.overflowed,
    "after_service_started": waits.after_service_started,
}
