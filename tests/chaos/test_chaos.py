"""A slice of `make chaos`: real processes under torment keep their promises, and liars are caught.

CHAOS_S and SEED as there; CHAOS_S is 60 here unless it is set.
"""

import asyncio
import os
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from tests.chaos import checks
from tests.chaos.__main__ import summary, tormented
from tests.chaos.checks import PAUSE_MS, excused, judge
from tests.chaos.installation import Plan
from tests.chaos.records import Evidence, Fault, Operation, Silence
from tests.chaos.rounds import Round, run
from tests.faults.journal_reader import ONCE_MORE, Stored

SECONDS = float(os.environ.get("CHAOS_S") or 60)
SEED = os.environ.get("SEED") or "slice"

pytestmark = pytest.mark.timeout(SECONDS + 240)


@pytest.fixture(scope="module")
def rounds() -> list[Round]:
    return tormented(SEED, SECONDS)


@pytest.fixture
def history(rounds: list[Round]) -> Evidence:
    """A true history, of the whole path, for a test to falsify."""
    it = copy(rounds[-1].evidence)
    for name in ("operations", "faults", "silences", "inputs", "records", "events", "presences"):
        setattr(it, name, list(getattr(it, name)))
    return it


def test_under_torment_every_promise_is_kept(rounds: list[Round]) -> None:
    broken = [problem for one in rounds for problem in one.verdict.broken]
    assert not broken, "\n".join([summary(rounds, SEED, SECONDS), *broken[:20]])
    for one in rounds:
        assert len(one.evidence.faults) >= SECONDS / 20
        assert len(one.evidence.operations) >= SECONDS
        assert len({record.at for record in one.evidence.records}) > SECONDS


def test_a_run_judges_some_of_what_faults_may_excuse(rounds: list[Round]) -> None:
    """A checker that excuses everything proves nothing, and fails the run."""
    verdicts = [one.verdict for one in rounds]
    assert not excused(verdicts)
    blind = [replace(one, judged=dict.fromkeys(one.judged, 0)) for one in verdicts]
    assert len(excused(blind)) == len(verdicts[0].judged)


def place_of(events: list[Stored], kind: str) -> int:
    return next(n for n, one in enumerate(events) if one.headers["ce-type"].endswith(kind))


def an_end_is_not_told(it: Evidence) -> None:
    del it.events[place_of(it.events, "TaskCompleted")]


def a_task_is_never_heard_of_again(it: Evidence) -> None:
    forgotten = Operation("submit", "acme", "task-forgotten")
    forgotten.end("")
    it.operations.append(forgotten)


def a_message_is_in_no_conversation(it: Evidence) -> None:
    it.said = {name: [] for name in it.said}


def a_message_is_in_two_conversations(it: Evidence) -> None:
    it.said = {**it.said, "acme/another": [text for texts in it.said.values() for text in texts]}


def a_task_has_a_second_agent(it: Evidence) -> None:
    place = place_of(it.events, "TaskAssigned")
    assigned = public.TaskAssigned.FromString(it.events[place].data)
    assigned.agent_id, assigned.revision = "somebody-else", assigned.revision + 100
    again = replace(it.events[place], data=assigned.SerializeToString())
    it.events.insert(place + 1, again)


def a_task_ends_a_second_time(it: Evidence) -> None:
    place = place_of(it.events, "TaskCompleted")
    it.events.insert(place + 1, it.events[place])


def two_leaders_told_their_own_story(it: Evidence) -> None:
    place = place_of(it.events, "TaskOffered")
    offered = public.TaskOffered.FromString(it.events[place].data)
    offered.agent_id = "somebody-else"
    it.events.insert(place + 1, replace(it.events[place], data=offered.SerializeToString()))


def an_agent_has_less_room_than_they_got(it: Evidence) -> None:
    for number, one in enumerate(it.records):
        record = wire.Record.FromString(one.data)
        for decision in (decision for step in record.steps for decision in step.decisions):
            if decision.HasField("agent_set"):
                decision.agent_set.agent.takes_nothing = True
        it.records[number] = replace(one, data=record.SerializeToString())


def a_refusal_was_told_as_done(it: Evidence) -> None:
    invented = Operation("accept", "acme", "task-1", "agent-1", "r-invented")
    invented.end("")
    it.operations.append(invented)


def a_command_has_two_effects(it: Evidence) -> None:
    done = {
        f"{one.agent_id}/{one.request_id}"
        for one in it.operations
        if one.kind == "complete" and one.done
    }
    for one in list(it.records):
        for step in wire.Record.FromString(one.data).steps:
            if step.decisions[-1].answered.request_id in done:
                it.records.append(replace(one, sequence=it.records[-1].sequence + 1))
                return


def a_decision_was_another(it: Evidence) -> None:
    for number, one in enumerate(it.records):
        record = wire.Record.FromString(one.data)
        if record.steps[0].decisions[0].HasField("offered"):
            record.steps[0].decisions[0].offered.agent_id = "agent-0"
        record.steps[0].at_ms += 1
        it.records[number] = replace(one, data=record.SerializeToString())
        return


def nothing_went_on_after_a_broker_was_back(it: Evidence) -> None:
    it.faults[:] = []
    middle = it.inputs[len(it.inputs) // 2].at
    it.faults.append(Fault("SIGKILL", "broker-0", middle - 1_000, middle))
    it.records[:] = [one for one in it.records if not middle < one.at < middle + 2 * PAUSE_MS]


def a_dead_desktop_was_not_missed(it: Evidence) -> None:
    it.faults[:] = []
    at = it.inputs[0].at
    it.silences.append(Silence("acme", "agent-nobody", at, at + 60_000))


LIES: dict[Callable[[Evidence], None], Callable[[Evidence], list[str]]] = {
    an_end_is_not_told: checks.lost,
    a_task_is_never_heard_of_again: checks.lost,
    a_message_is_in_no_conversation: checks.unsaid,
    a_message_is_in_two_conversations: checks.unsaid,
    a_task_has_a_second_agent: checks.doubled,
    a_task_ends_a_second_time: checks.doubled,
    two_leaders_told_their_own_story: checks.doubled,
    an_agent_has_less_room_than_they_got: checks.over_capacity,
    a_refusal_was_told_as_done: checks.unkept,
    a_command_has_two_effects: checks.unkept,
    a_decision_was_another: checks.again,
    nothing_went_on_after_a_broker_was_back: checks.pauses,
    a_dead_desktop_was_not_missed: checks.unnoticed,
}


@pytest.mark.parametrize(("lie", "check"), LIES.items(), ids=lambda it: it.__name__)
def test_a_false_history_is_seen(
    history: Evidence, lie: Callable[[Evidence], None], check: Callable[[Evidence], list[str]]
) -> None:
    assert not check(history)
    lie(history)
    assert check(history)


def test_what_was_done_when_it_was_asked_once_more_was_done_once(history: Evidence) -> None:
    for number, one in enumerate(history.records):
        record = wire.Record.FromString(one.data)
        for step in record.steps:
            if step.decisions[-1].HasField("answered"):
                step.decisions[-1].answered.request_id += ONCE_MORE
        history.records[number] = replace(one, data=record.SerializeToString())
    assert not checks.unkept(history)


@pytest.mark.parametrize("plant", ["unfenced", "forgets_inputs"])
def test_processes_with_a_bug_are_caught(tmp_path: Path, plant: str) -> None:
    broken = asyncio.run(run(tmp_path, Plan(plant=plant), plant, 6, patience_s=6))
    verdict = judge(broken.evidence)
    assert verdict.doubled if plant == "unfenced" else verdict.broken
