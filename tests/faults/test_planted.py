"""The journal reader is worth something: real routers with real bugs are caught, and any damage."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire

from tests.faults import journal_reader
from tests.faults.floor import Floor, floor
from tests.faults.journal_reader import Audit, Stored, audit
from tests.faults.routers import Routers, routers
from tests.servers import NatsServer
from tests.simulation.history import history
from tests.streams import until

pytestmark = pytest.mark.timeout(120)

Logs = tuple[list[Stored], list[Stored], list[Stored]]


def complaints(found: Audit, people: Floor) -> list[str]:
    forgotten = sorted(found.unknown(people.submitted))
    return [*found.problems, *(f"{task} is unknown" for task in forgotten)]


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        ("", ""),
        ("unfenced", "chain broken: decided on another past"),
        ("drops_an_event", "was not told"),
        ("forgets_inputs", "is unknown"),
    ],
)
async def test_a_router_is_caught_only_if_it_has_a_bug(
    private_nats: NatsServer, tmp_path: Path, plant: str, words: str
) -> None:
    with routers(private_nats.url, tmp_path) as them:
        async with floor(private_nats.url) as people:
            await set_going(them, plant)
            await people.submit(60)
            with suppress(AssertionError):  # with a bug, they may never be done
                await people.done(within=6)
            for router in them.started:
                router.stop()
            found = await journal_reader.read(private_nats.url, people.answers)
            said = complaints(found, people)
            assert any(words in one for one in said) if plant else not said, said[:9]


async def set_going(them: Routers, plant: str) -> None:
    """Start a router with the bug; for a bug of fencing, two who both lead."""
    if plant == "unfenced":
        started = [them.start(plant=plant, unleased="1") for _ in range(2)]
    else:
        started = [them.start(plant=plant)]
    await until(lambda: all(router.leads for router in started), within=30)


def lost_record(logs: Logs) -> Logs:
    inputs, records, events = logs
    return inputs, [*records[:5], *records[6:]], events


def repeated_record(logs: Logs) -> Logs:
    inputs, records, events = logs
    again = replace(records[5], sequence=records[-1].sequence + 1)
    return inputs, [*records, again], events


def changed_record(logs: Logs) -> Logs:
    inputs, records, events = logs
    record = wire.Record.FromString(records[5].data)
    record.steps[0].at_ms += 1
    return (
        inputs,
        [*records[:5], replace(records[5], data=record.SerializeToString()), *records[6:]],
        events,
    )


def lost_event(logs: Logs) -> Logs:
    inputs, records, events = logs
    return inputs, records, events[:-1]


def repeated_event(logs: Logs) -> Logs:
    inputs, records, events = logs
    return inputs, records, [*events, events[3]]


def invented_event(logs: Logs) -> Logs:
    inputs, records, events = logs
    return inputs, records, [*events, replace(events[3], headers={"ce-id": "d0-9999-1"})]


def late_event(logs: Logs) -> Logs:
    inputs, records, events = logs
    return inputs, records, [*events[1:], events[0]]


def untold_input(logs: Logs) -> Logs:
    inputs, records, events = logs
    late = wire.TaskSubmitted(task_id="forgotten", queue_id="sales", cost=1)
    it = wire.Input(tenant_id="acme", task_submitted=late).SerializeToString()
    return (
        [*inputs, replace(inputs[-1], sequence=inputs[-1].sequence + 1, data=it)],
        records,
        events,
    )


def other_input(logs: Logs) -> Logs:
    inputs, records, events = logs
    return [inputs[0], *(replace(it, data=inputs[0].data) for it in inputs[1:])], records, events


DAMAGES: dict[Callable[[Logs], Logs], str] = {
    lost_record: "chain broken: decided on another past",
    repeated_record: "chain broken: decided on another past",
    changed_record: "chain broken: decided on another past",
    lost_event: "was not told",
    repeated_event: "was told 2 times",
    invented_event: "was never decided",
    late_event: "came after a later one of its task",
    untold_input: "was lost: task_submitted led to nothing",
    other_input: "queue_configured led to agent_set",
}
"""What of the audit's complaints names the damage."""


@pytest.mark.parametrize(
    ("damage", "words"), DAMAGES.items(), ids=lambda it: getattr(it, "__name__", "")
)
def test_damage_is_seen(damage: Callable[[Logs], Logs], words: str) -> None:
    whole = history(4)
    assert not whole.problems
    found = audit(*damage((whole.bus.inputs, whole.bus.records, whole.bus.events)))
    assert any(words in problem for problem in found.problems), found.problems[:9]


def test_an_answer_that_was_never_decided_is_seen() -> None:
    bus = history(4).bus
    told = [("acme", "r-never", "")]
    found = audit(bus.inputs, bus.records, bus.events, told).problems
    assert found == ["r-never was told done, and nothing was decided"]
