"""Audit a router from the outside: its input log, its journal and its public events.

Reads the streams with plain nats-py and protobuf; nothing of services.dispatch is imported.
`python -m tests.faults.journal_reader nats://...` prints what is wrong and exits 1, or says how
much it has read.
"""

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import nats
from centralita.directory.v1.resources_pb2 import TASK_CHANNEL_UNSPECIFIED, TaskChannel
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from google.protobuf.message import DecodeError, Message
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy

from tests.faults.ledger import Ledger
from tests.faults.oracle import When, judge

LOGS = ("DISPATCH_IN", "DISPATCH_JOURNAL", "DISPATCH")
ONCE_MORE = "/again"
"""How an id goes on under which a command is asked once more, refused for want of news.

The caller is told that outcome.
"""

_PUBLIC: Mapping[str, tuple[type[Message], str]] = {
    "queued": (public.TaskQueued, "task.queued.{channel}"),
    "offered": (public.TaskOffered, "task.offered.{channel}"),
    "offer_closed": (public.OfferEnded, "offer.ended.{channel}"),
    "assigned": (public.TaskAssigned, "task.assigned.{channel}"),
    "completed": (public.TaskCompleted, "task.completed.{channel}"),
    "cancelled": (public.TaskCancelled, "task.cancelled"),
    "overflowed": (public.TaskOverflowed, "task.overflowed"),
    "after_service_started": (public.AfterServiceStarted, "after-service.started.{channel}"),
    "acted": (public.SupervisorActed, "supervisor.acted"),
}


_ENDING = {
    public.SupervisorActed.ACTION_TASK_CANCELLED,
    public.SupervisorActed.ACTION_TASK_COMPLETED,
    public.SupervisorActed.ACTION_AFTER_SERVICE_FINISHED,
}
"""Acts of somebody who ends work."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One message of a stream."""

    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes
    at: int = 0
    """When the stream took it: milliseconds since 1970."""


@dataclass
class Audit:
    """What was read, and what is wrong with it."""

    problems: list[str] = field(default_factory=list)
    shards: dict[str, Ledger] = field(default_factory=dict)
    events: int = 0

    def unknown(self, tasks: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the tasks of which no journal knows."""
        known = {key for ledger in self.shards.values() for key in (*ledger.tasks, *ledger.ended)}
        return set(tasks) - known

    def owners(self) -> list[str]:
        return [owner for ledger in self.shards.values() for owner in ledger.owners]


def audit(
    inputs: Sequence[Stored],
    records: Sequence[Stored],
    events: Sequence[Stored],
    answers: Iterable[tuple[str, str, str]] = (),
) -> Audit:
    """Judge all that a router did. `answers`: tenant, request id and reason as callers got them."""
    result = Audit()
    expected: dict[str, tuple[type[Message], str, Message]] = {}
    for subject in sorted({record.subject for record in records}):
        shard = subject.rpartition(".")[2]
        ledger = result.shards[shard] = Ledger()
        theirs = {it.sequence: it for it in inputs if it.subject == f"dispatch.in.{shard}"}
        for record in records:
            if record.subject == subject:
                _record(ledger, record, theirs)
                expected |= _events_of(shard, record)
        _skipped(ledger, theirs, up_to=sys.maxsize)
        result.problems += [f"shard {shard}, {problem}" for problem in ledger.problems]
    result.problems += _compare(expected, events)
    result.problems += _told(result, answers)
    result.events = len(expected)
    return result


def _record(ledger: Ledger, record: Stored, inputs: dict[int, Stored]) -> None:
    """Fold a record; each input up to its cursor must have led to what the contract says."""
    for step in ledger.open(record.sequence, record.data).steps:
        _skipped(ledger, inputs, up_to=step.input_sequence)
        if step.input_sequence:
            entry = inputs.pop(step.input_sequence, None)
            it = None if entry is None else _parsed(entry.data)
            ledger.insist(it is not None, f"decided on {step.input_sequence}, which is no input")
            if entry is not None and it is not None:
                for problem in judge(ledger, it, step.decisions, When(entry.at, step.at_ms)):
                    ledger.insist(False, problem)
        ledger.step(step)
    ledger.close()


def _skipped(ledger: Ledger, inputs: dict[int, Stored], *, up_to: int) -> None:
    """Check that what was passed over could be passed over."""
    while inputs and (first := next(iter(inputs))) < up_to:
        entry = inputs.pop(first)
        it, when = _parsed(entry.data), When(entry.at, ledger.at)
        for problem in judge(ledger, it, (), when) if it is not None else ():
            ledger.insist(False, f"input {first} was lost: {problem}")


def _parsed(data: bytes) -> wire.Input | None:
    try:
        it = wire.Input.FromString(data)
    except DecodeError:
        return None
    return it if it.WhichOneof("body") else None


def _events_of(shard: str, record: Stored) -> dict[str, tuple[type[Message], str, Message]]:
    """Return what the outside must have been told of a record, by event id."""
    told: dict[str, tuple[type[Message], str, Message]] = {}
    for step in wire.Record.FromString(record.data).steps:
        acted: dict[str, str] = {}
        for decision in step.decisions:
            kind = str(decision.WhichOneof("body"))
            if kind in _PUBLIC:
                made, subject = _PUBLIC[kind]
                said = _said(made, getattr(decision, kind))
                if isinstance(said, public.SupervisorActed) and said.action in _ENDING:
                    acted[said.task_id] = said.actor_id
                elif "ended_by" in made.DESCRIPTOR.fields_by_name:
                    said.ended_by = acted.get(said.task_id, "")  # type: ignore[attr-defined] # the three ends have both
                tenant_id = getattr(said, "tenant_id", "")
                event_id = f"d{shard}-{record.sequence}-{len(told) + 1}"
                channel = TaskChannel.Name(getattr(said, "channel", TASK_CHANNEL_UNSPECIFIED))
                word = channel.removeprefix("TASK_CHANNEL_").lower()
                heard_at = f"cc.{tenant_id}.dispatch.v1.{subject.format(channel=word)}"
                told[event_id] = (made, heard_at, said)
    return told


def _said(made: type[Message], decision: Message) -> Message:
    event = made()
    sources = [decision, getattr(decision, "task", None)]
    for known in event.DESCRIPTOR.fields:
        for source in sources:
            if source is None:
                continue
            if known.name in source.DESCRIPTOR.fields_by_name:
                value = getattr(source, known.name)
                if known.is_repeated:
                    getattr(event, known.name).extend(value)
                elif isinstance(value, Message):
                    getattr(event, known.name).CopyFrom(value)
                else:
                    setattr(event, known.name, value)
            elif millis := getattr(source, f"{known.name}_ms", 0):
                getattr(event, known.name).FromMilliseconds(millis)
    return event


def _compare(
    expected: Mapping[str, tuple[type[Message], str, Message]], events: Sequence[Stored]
) -> list[str]:
    problems = []
    seen = Counter(event.headers.get("ce-id", "") for event in events)
    problems += [f"event {one} was not told" for one in expected if one not in seen]
    problems += [f"event {one} was told {n} times" for one, n in seen.items() if n > 1]
    revisions: dict[tuple[str, str], int] = defaultdict(int)
    for event in events:
        event_id = event.headers.get("ce-id", "")
        if event_id not in expected:
            problems.append(f"event {event_id or event.sequence} was never decided")
            continue
        made, subject, said = expected[event_id]
        if event.headers.get("ce-type") != made.DESCRIPTOR.full_name:
            problems.append(f"event {event_id} is called {event.headers.get('ce-type')}")
            continue
        heard = made.FromString(event.data)
        if heard != said or event.subject != subject:
            problems.append(f"event {event_id} says something else than the journal")
        if isinstance(heard, public.SupervisorActed):
            continue
        task, revision = (heard.tenant_id, heard.task_id), heard.revision  # type: ignore[attr-defined] # all others have them
        if revision < revisions[task]:
            problems.append(f"event {event_id} came after a later one of its task")
        revisions[task] = max(revision, revisions[task])
    return problems


def _told(result: Audit, answers: Iterable[tuple[str, str, str]]) -> list[str]:
    """Compare what callers were told with what was decided."""
    decided = {key: it for ledger in result.shards.values() for key, it in ledger.answers.items()}
    problems = []
    for tenant_id, request_id, reason in answers:
        second = decided.get((tenant_id, request_id + ONCE_MORE))
        kept = second or decided.get((tenant_id, request_id))
        if kept is None:
            problems.append(f"{request_id} was told {reason or 'done'}, and nothing was decided")
        elif kept[0] != reason:
            problems.append(f"{request_id} was told {reason or 'done'}, not {kept[0] or 'done'}")
    return problems


async def stored(js: JetStreamContext, stream: str) -> list[Stored]:
    """Return everything a stream holds."""
    if not (await js.stream_info(stream)).state.messages:
        return []
    subscription = await js.subscribe(
        ">", stream=stream, ordered_consumer=True, deliver_policy=DeliverPolicy.ALL
    )
    found: list[Stored] = []
    while True:
        message = await subscription.next_msg(timeout=5)
        place = message.metadata
        at = int(place.timestamp.timestamp() * 1000)
        headers = message.headers or {}
        found.append(Stored(place.sequence.stream, message.subject, headers, message.data, at))
        if not place.num_pending:
            await subscription.unsubscribe()
            return found


async def read(url: str, answers: Iterable[tuple[str, str, str]] = ()) -> Audit:
    """Audit the router of an installation, as of a moment in which nothing is added to its logs."""
    connection = await nats.connect(url)
    try:
        js = connection.jetstream()
        while True:
            began = await _ends(js)
            inputs, records, events = [await stored(js, log) for log in LOGS]
            if await _ends(js) == began:
                return audit(inputs, records, events, answers)
    finally:
        await connection.close()


async def _ends(js: JetStreamContext) -> list[int]:
    return [(await js.stream_info(log)).state.last_seq for log in LOGS]


if __name__ == "__main__":
    found = asyncio.run(read(sys.argv[1]))
    sys.stdout.write("\n".join([*found.problems, f"{found.events} events, {found.owners()}\n"]))
    sys.exit(bool(found.problems))
