"""A recording is decided once more: not one decision may differ, and what differs is shown."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from google.protobuf.message import DecodeError

from services.dispatch.adapters import inputs
from services.dispatch.adapters.recordings import NoRecording, from_file, into_file
from services.dispatch.domain import engine
from services.dispatch.domain.decisions import Offered
from services.dispatch.domain.index import Index
from services.dispatch.domain.inputs import TaskClosed, TaskSubmitted
from services.dispatch.domain.parties import Agent
from services.dispatch.replay import shown
from services.dispatch.use_cases.replay import Cause, Divergence
from tests.simulation.history import history
from tests.unit.dispatch.recording import ACME, Recorder, busy, recording_of, replayed

TASKS = 300


async def divergence_of(recording: list[wire.Recorded]) -> Divergence:
    _, divergence = await replayed(recording)
    assert divergence is not None
    return divergence


def numbers(recording: list[wire.Recorded], sequence: int) -> int:
    """Return the place of a record in a recording."""
    return next(n for n, it in enumerate(recording) if it.record.sequence == sequence)


async def test_a_day_is_decided_alike_to_the_last_hash() -> None:
    day = busy(1, TASKS)
    replay, divergence = await replayed(day.recording)
    assert divergence is None
    assert replay.position == day.position
    assert replay.inputs == sum(it.HasField("input") for it in day.recording)


async def test_a_day_of_before_commands_had_fingerprints_is_decided_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inputs, "_fingerprint", lambda _: b"")
    day = busy(1, TASKS)
    answers = _answers(day.recording)
    assert answers
    assert not any(it.fingerprint for it in answers)
    monkeypatch.undo()
    replay, divergence = await replayed(day.recording)
    assert divergence is None
    assert replay.position == day.position


def _answers(recording: list[wire.Recorded]) -> list[wire.Answered]:
    return [
        decision.answered
        for it in recording
        for step in wire.Record.FromString(it.record.data).steps
        for decision in step.decisions
        if decision.HasField("answered")
    ]


async def test_a_day_is_decided_alike_from_a_snapshot_on() -> None:
    day = busy(2, TASKS)
    day.save()
    later = busy(2, TASKS)
    split = numbers(later.recording, day.position.sequence)
    more = [*day.recording, *later.recording[split + 1 :]]
    _, divergence = await replayed(more)
    assert divergence is None


def test_what_killed_frozen_and_doubled_leaders_left_is_decided_alike() -> None:
    for seed in range(6):
        world = history(seed).bus
        recording = recording_of(world.inputs, world.records)
        replay, divergence = asyncio.run(replayed(recording))
        assert divergence is None, f"world {seed}: {shown(divergence)}"
        assert replay.position.sequence == world.records[-1].sequence


async def test_a_tie_broken_the_other_way_is_shown_at_its_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = busy(3, TASKS)
    line_up = Index._line_up

    def backwards(self: Index, agent: Agent, profile: Any) -> None:
        since, order = agent.idle_since, agent.idle_order
        agent.idle_since, agent.idle_order = -since, -order
        line_up(self, agent, profile)
        agent.idle_since, agent.idle_order = since, order

    monkeypatch.setattr(Index, "_line_up", backwards)
    found = await divergence_of(day.recording)
    assert found.cause is Cause.DECIDED_OTHERWISE
    (offered,) = (it for it in found.recorded if isinstance(it, Offered))
    (other,) = (it for it in found.decided if isinstance(it, Offered))
    assert offered.task_id == other.task_id
    assert offered.agent_id != other.agent_id
    lines = shown(found)
    assert f"Record {found.record}, input {found.input_sequence}" in lines
    assert offered.agent_id in lines
    assert other.agent_id in lines
    before = day.recording[: numbers(day.recording, found.record)]
    assert (await replayed(before))[1] is None


@pytest.mark.parametrize("place", range(0, 60, 3))
async def test_one_flipped_byte_of_a_record_is_found_there_or_right_behind(place: int) -> None:
    day = busy(4, 60)
    at = numbers(day.recording, 20)
    data = bytearray(day.recording[at].record.data)
    data[place % len(data)] ^= 0x04
    if wire_body(bytes(data)) == wire_body(day.recording[at].record.data):
        return  # who decided and what was out: told to people, and not hashed
    day.recording[at].record.data = bytes(data)
    assert (await divergence_of(day.recording)).record in {20, 21}


def wire_body(data: bytes) -> object:
    """Return what is hashed of a record, or its bytes when they are none."""
    try:
        record = wire.Record.FromString(data)
    except DecodeError:
        return data
    record.ClearField("emitted")
    record.ClearField("owner_id")
    return record.SerializeToString(deterministic=True)


async def test_a_lost_record_is_found() -> None:
    day = busy(5, TASKS)
    del day.recording[numbers(day.recording, 40)]
    assert (await divergence_of(day.recording)).record == 41


async def test_a_lost_input_is_found() -> None:
    day = busy(6, TASKS)
    at = numbers(day.recording, 40)
    while not day.recording[at].HasField("input"):
        at -= 1
    del day.recording[at]
    found = await divergence_of(day.recording)
    assert found.cause in {Cause.INPUT_MISSING, Cause.TIMER_NOT_DUE}


async def test_an_input_that_was_passed_over_is_found() -> None:
    def ignored(*_: Any) -> Iterator[Any]:
        return iter(())

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engine._RULES, TaskClosed, ignored)
        day = busy(7, 20)
        for task_id in ("one", "another"):
            day.give(TaskSubmitted(ACME, task_id, "sales", day.now))
            day.give(TaskClosed(ACME, task_id))
        day.give(TaskSubmitted(ACME, "the last", "sales", day.now))
    found = await divergence_of(day.recording)
    assert found.cause is Cause.PASSED_OVER
    assert isinstance(found.input, TaskClosed)


async def test_a_timer_that_never_fired_is_found() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "_due", lambda _: [])
        day = busy(8, TASKS)
    assert (await divergence_of(day.recording)).cause is Cause.TIMER_MISSED


async def test_a_recording_without_its_beginning_says_so() -> None:
    day = busy(9, TASKS)
    rest = day.recording[numbers(day.recording, 20) + 1 :]
    assert (await divergence_of(rest)).cause is Cause.NO_BEGINNING


async def test_a_recording_survives_its_file(tmp_path: Path) -> None:
    day = busy(10, 50)
    day.save()
    path = tmp_path / "shard-0.recording"
    with into_file(path) as write:
        for it in day.recording:
            write(it)
    assert list(from_file(path)) == day.recording
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(NoRecording):
        list(from_file(path))
