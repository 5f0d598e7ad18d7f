"""Which promises were broken, judged from recorded histories alone.

The journal reader judges the router's logs; what follows here compares them with what clients
saw, and with the clock. Nothing of a running system is asked.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.presence.v1.events_pb2 import PresenceChanged

from tests.faults.journal_reader import ONCE_MORE, Stored, audit
from tests.simulation.deciding import decided_again

from .records import Evidence, Fault, Key, Operation, Silence

PAUSE_MS = 10_000
"""R10: so long may nothing be decided after a broker was lost, or after the only one was back."""
NOTICED_MS = 1_000
RESENT_MS = 500
"""An event that is stored so much later than it was decided had been lost on its way."""
BUSY_MS = 1_500
"""What a build machine may be late by itself."""
SETTLED_MS = 5_000
"""A fault that ended so long before another does not explain what follows that one."""


BROKER_FAULTS, SILENCES = "broker faults", "silences"


@dataclass
class Verdict:
    """What was promised and not kept."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    over_capacity: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    judged: dict[str, int] = field(default_factory=dict)
    """How many of what only counts where nothing else stood in the way, by its name."""

    @property
    def broken(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.over_capacity, *self.others]


def judge(it: Evidence) -> Verdict:
    """Judge a round."""
    reader = audit(it.inputs, it.records, it.events, answers(it.operations))
    late = resent(it)
    others = [
        *(problem for problem in reader.problems if problem not in late),
        *unkept(it),
        *again(it),
        *pauses(it),
        *unnoticed(it),
    ]
    judged = {BROKER_FAULTS: len(judged_faults(it)), SILENCES: len(judged_silences(it))}
    return Verdict([*lost(it), *unsaid(it)], doubled(it), over_capacity(it), others, judged)


def excused(verdicts: Sequence[Verdict]) -> list[str]:
    """Name the checks that judged nothing in a whole run: such a run proves nothing of them."""
    return [
        f"none of the {name} was judged"
        for name in (BROKER_FAULTS, SILENCES)
        if not any(one.judged.get(name) for one in verdicts)
    ]


def resent(it: Evidence) -> set[str]:
    """Return what the reader says of events that were sent again after the broker had lost them.

    They may come after later ones of their task: their revision tells (events.proto). An event
    that was never lost may not.
    """
    return {
        f"event {one.headers['ce-id']} came after a later one of its task"
        for one in it.events
        if one.at - datetime.fromisoformat(one.headers["ce-time"]).timestamp() * 1000 > RESENT_MS
    }


def answers(operations: list[Operation]) -> Iterator[tuple[str, str, str]]:
    """Yield what clients of the router were told (R5), as the journal calls it."""
    for one in operations:
        if one.kind in _EFFECTS and one.completed_ms:
            yield one.tenant_id, f"{one.agent_id}/{one.request_id}", one.outcome


# R1: nothing that was accepted is lost, and everything ends once


def lost(it: Evidence) -> list[str]:
    ended = {key for key, kind, _ in _told(it.events) if kind in _ENDS}
    begun = {
        (one.tenant_id, one.subject) for one in it.operations if one.kind == "submit" and one.done
    }
    begun |= {(tenant, task) for tenant, _, task in (name.partition("/") for name in it.said)}
    queued = {key for key, kind, _ in _told(it.events) if kind == "TaskQueued"}
    problems = [f"R1: {key} was taken in and has not ended" for key in sorted(begun - ended)]
    problems += [
        f"R1: {key} was queued and has not ended" for key in sorted(queued - ended - begun)
    ]
    return problems


def unsaid(it: Evidence) -> list[str]:
    """Find messages that were taken from customers and stand in no conversation, or in two."""
    found = Counter(
        (name.partition("/")[0], text) for name, texts in it.said.items() for text in texts
    )
    written = (
        (one.tenant_id, one.subject) for one in it.operations if one.kind == "write" and one.done
    )
    return [f"{key} is said {found[key]} times" for key in written if found[key] != 1]


# R2: nobody and nothing is assigned twice


def doubled(it: Evidence) -> list[str]:
    """Follow each task through the public events alone."""
    problems: list[str] = []
    holder: dict[Key, str] = {}
    revisions: dict[tuple[Key, int], bytes] = {}
    over: Counter[Key] = Counter()
    for key, kind, event in _told(it.events):
        if kind not in _OF_A_TASK:
            continue
        place, data = (key, event.revision), event.SerializeToString()
        if revisions.setdefault(place, data) != data:
            problems.append(f"R2: {key} has two events of revision {event.revision}")
        if kind == "TaskAssigned":
            if key in holder:
                problems.append(f"R2: {key} is with {holder[key]} and {event.agent_id}")
            holder[key] = event.agent_id
        elif kind in {"TaskQueued", *_ENDS}:
            holder.pop(key, None)
        over[key] += kind in _ENDS
    problems += [f"R1: {key} ended {times} times" for key, times in over.items() if times > 1]
    return problems


# R3: nobody has more than they can


USUAL_CAPACITY = 3


class _Rooms:
    """How much each agent can have: as they say, or else their tenant, or else nobody."""

    def __init__(self) -> None:
        self._own: dict[Key, int] = {}
        self._usual: dict[str, int] = {}

    def hear(self, kind: str, it_was: Any) -> None:
        if kind == "tenant_set":
            self._usual[it_was.tenant_id] = it_was.tenant.capacity
        elif kind in {"agent_set", "agent_set_taking_nothing"}:
            own = -1 if it_was.agent.takes_nothing else it_was.agent.capacity
            self._own[it_was.tenant_id, it_was.agent.agent_id] = own

    def of(self, agent: Key) -> int:
        return max(0, self._own.get(agent, -1) or self._usual.get(agent[0], USUAL_CAPACITY))


def over_capacity(it: Evidence) -> list[str]:
    """Add up what each agent has, at every position of the journal."""
    problems = []
    rooms = _Rooms()
    has: defaultdict[Key, set[str]] = defaultdict(set)
    cost: dict[Key, int] = {}
    for sequence, kind, it_was in _decided(it.records):
        tenant = it_was.tenant_id
        rooms.hear(kind, it_was)
        if kind == "queued":
            cost[tenant, it_was.task.task_id] = max(it_was.task.cost, 1)
            for (owner, _), tasks in has.items():
                if owner == tenant:
                    tasks.discard(it_was.task.task_id)
        elif kind in {"offered", "assigned"}:
            agent = tenant, it_was.agent_id
            new = it_was.task_id not in has[agent]
            has[agent].add(it_was.task_id)
            load = sum(cost.get((tenant, task), 1) for task in has[agent])
            if new and load > rooms.of(agent):
                problems.append(f"R3: {sequence}: {agent} has {load} of {rooms.of(agent)}")
        elif kind in {"offer_closed", "completed"}:
            has[tenant, it_was.agent_id].discard(it_was.task_id)
    return problems


# R4, R5: what clients were told is so


_EFFECTS = {
    "accept": "assigned",
    "decline": "offer_closed",
    "assign": "assigned",
    "complete": "completed",
}


def unkept(it: Evidence) -> list[str]:
    """Find commands that were answered as done and had no effect, or more than one."""
    effects: Counter[tuple[str, str]] = Counter()
    for record in it.records:
        for step in wire.Record.FromString(record.data).steps:
            bodies = [str(one.WhichOneof("body")) for one in step.decisions]
            answered = step.decisions[-1].answered
            if bodies[-1] == "answered" and len(bodies) > 1 and not answered.reason:
                asked = answered.request_id.removesuffix(ONCE_MORE)
                effects[answered.tenant_id, asked] += 1
    problems = []
    for one in it.operations:
        if one.kind in _EFFECTS and one.done:
            times = effects[one.tenant_id, f"{one.agent_id}/{one.request_id}"]
            if times != 1:
                name = f"{one.kind} of {one.subject} by {one.agent_id} ({one.request_id})"
                problems.append(f"R5: {name} was told done and took effect {times} times")
    return problems


# R13, R19: decided again, everything is the same


def again(it: Evidence) -> list[str]:
    problems = []
    for subject in sorted({record.subject for record in it.records}):
        shard = subject.rpartition(".")[2]
        inputs = [one for one in it.inputs if one.subject == f"dispatch.in.{shard}"]
        records = [one for one in it.records if one.subject == subject]
        problems += [f"R19: shard {shard}, {one}" for one in decided_again(inputs, records)]
    return problems


# R9, R10: a broker is lost, and it goes on


def pauses(it: Evidence) -> list[str]:
    """Look for longer pauses than promised, where nothing else stood in the way."""
    decided = [record.at for record in it.records]
    return [
        f"R10: nothing was decided for {PAUSE_MS} ms after {one}"
        for one, (since, until) in judged_faults(it)
        if not any(since < at <= until for at in decided)
    ]


def judged_faults(it: Evidence) -> list[tuple[Fault, tuple[int, int]]]:
    """Return the lost brokers that alone explain what follows, and when it had to go on."""
    brokers = len({one.target for one in it.faults if one.target.startswith("broker-")})
    judged = []
    for one in it.faults:
        if not one.target.startswith("broker-") or not one.ended_ms:
            continue
        since = one.began_ms if brokers > 1 else one.ended_ms
        until = since + PAUSE_MS + BUSY_MS
        asked = any(since <= entry.at <= until - 2_000 for entry in it.inputs)
        if asked and not _others(it.faults, one, since, until):
            judged.append((one, (since, until)))
    return judged


def _others(faults: list[Fault], but: Fault, since: int, until: int) -> bool:
    return any(
        one is not but
        and one.kind != "repeat"
        and one.target.startswith(("broker-", "dispatch-"))
        and one.began_ms < until
        and (one.ended_ms or until) > since - SETTLED_MS
        for one in faults
    )


# R12: a dead desktop is noticed


def unnoticed(it: Evidence) -> list[str]:
    gone: defaultdict[Key, list[int]] = defaultdict(list)
    for seen in it.presences:
        changed = PresenceChanged.FromString(seen.data)
        if not changed.connected:
            gone[changed.tenant_id, changed.user_id].append(seen.at)
    return [
        f"R12: {one.tenant_id}/{one.agent_id} fell silent and was not missed"
        for one, due in judged_silences(it)
        if not any(one.last_ms < at <= due for at in gone[one.tenant_id, one.agent_id])
    ]


def judged_silences(it: Evidence) -> list[tuple[Silence, int]]:
    """Return the silences that presence could see, and when it had to have missed the device."""
    found = [(one, one.last_ms + it.lease_ms + NOTICED_MS + BUSY_MS) for one in it.silences]
    return [
        (one, due)
        for one, due in found
        if one.until_ms >= due and not _hindered(it.faults, one, due)
    ]


def _hindered(faults: list[Fault], one: Silence, due: int) -> bool:
    """Say whether presence could not see: then everybody has a whole lease to call again."""
    return any(
        fault.kind != "repeat"
        and fault.target.startswith(("broker-", "presence-", "store"))
        and fault.began_ms < due
        and (fault.ended_ms or due) + 2 * (due - one.last_ms) > one.last_ms
        for fault in faults
    )


# Reading


_ENDS = {"TaskCompleted", "TaskCancelled"}
_OF_A_TASK = {"TaskQueued", "TaskOffered", "OfferEnded", "TaskAssigned", *_ENDS}


def _told(events: list[Stored]) -> Iterator[tuple[Key, str, public.TaskAssigned]]:
    for one in events:
        kind = one.headers.get("ce-type", "").rpartition(".")[2]
        event = getattr(public, kind).FromString(one.data)
        yield (event.tenant_id, getattr(event, "task_id", "")), kind, event


def _decided(records: list[Stored]) -> Iterator[tuple[int, str, Any]]:
    for record in records:
        for step in wire.Record.FromString(record.data).steps:
            for decision in step.decisions:
                kind = decision.WhichOneof("body")
                if kind is not None:
                    yield record.sequence, kind, getattr(decision, kind)
