"""Whoever is asked again finds the same: every offer and every wait of a random day."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator

import pytest
from centralita.dispatch.v1 import explain_service_pb2 as api

from services.dispatch import explain_api
from services.dispatch.adapters.chain import Chain
from services.dispatch.adapters.records import decode_record
from services.dispatch.adapters.snapshots import read_snapshot
from services.dispatch.domain.candidates import Filter, Rank, candidates
from services.dispatch.domain.decisions import Offered
from services.dispatch.domain.errors import NotFound, NotNow, Refusal, TooLong
from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    AssignTask,
    PresenceObserved,
    QueueConfigured,
    Role,
    TaskClosed,
    TaskSubmitted,
)
from services.dispatch.domain.state import State
from services.dispatch.use_cases import explain
from services.dispatch.use_cases.explain import Explain, Explanation, Question, Standing
from services.dispatch.use_cases.ports import Position, Record
from tests.unit.dispatch.recording import ACME, NINE, Recorder, busy


class Logs:
    """A recording, as the journal of a shard that keeps snapshots."""

    def __init__(self, recorder: Recorder) -> None:
        self.snapshots = recorder.snapshots
        self.journal = [it.record for it in recorder.recording if it.HasField("record")]

    async def naming(self, _: str, task_id: str, since: int) -> AsyncGenerator[Record, None]:
        for it in self.journal:
            if task_id.encode() in it.data:
                record = decode_record(it.sequence, it.data)
                if record.steps[-1].at >= since:
                    yield record

    async def records(self, _: str, after: Position) -> AsyncGenerator[Record, None]:
        chain = Chain("journal", after)
        for it in self.journal:
            if it.sequence > after.sequence:
                yield chain.follow(it.sequence, it.data)

    async def before(self, _: str, record: int, at: int) -> tuple[State, Position] | None:
        fitting = [it for it in self.snapshots if it[0] <= record and it[1] <= at]
        return read_snapshot(fitting[-1][2]) if fitting else None


def asked(logs: Logs, task_id: str, **point: int | str) -> Explanation:
    question = Question(ACME, task_id, **point)  # type: ignore[arg-type] # the point, by its name
    return asyncio.run(Explain(logs, lambda: NINE + 3_600_000)(question))


def offers(logs: Logs) -> Iterator[tuple[Record, Offered]]:
    for it in logs.journal:
        record = decode_record(it.sequence, it.data)
        for made in record.steps:
            for decision in made.decisions:
                if isinstance(decision, Offered):
                    yield record, decision


@pytest.fixture(scope="module")
def day() -> Logs:
    return Logs(busy(1, 250, agents=4))


def small_centre() -> Recorder:
    """Ana, who is idle longest, Bo, and Cy, who does not answer the queue."""
    recorder = Recorder()
    recorder.give(QueueConfigured(ACME, "sales", 7))
    for number, (agent_id, queues) in enumerate(
        [("ana", ("sales",)), ("bo", ("sales",)), ("cy", ())], 1
    ):
        recorder.wait(1000)
        recorder.give(AgentConfigured(ACME, agent_id, number, False, queues, (), 1))
        recorder.give(PresenceObserved(ACME, agent_id, 10 + number, True, True))
    return recorder


def submit(recorder: Recorder, task_id: str) -> None:
    recorder.wait(1000)
    recorder.give(TaskSubmitted(ACME, task_id, "sales", recorder.now))


def removed_by(it: Explanation) -> dict[str, str]:
    return {one.candidate.agent_id: str(one.candidate.removed_by) for one in it.candidates}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_offer_of_a_random_day_is_found_again(seed: int) -> None:
    logs, count = Logs(busy(seed, 250, agents=3 + 4 * seed)), 0
    for record, offer in offers(logs):
        it = asked(logs, offer.task_id, revision=offer.revision)
        assert (it.standing, it.agent_id) == (Standing.OFFERED, offer.agent_id)
        assert it.chosen_id == offer.agent_id, f"{offer} was to be {it.candidates[0]}"
        assert (it.record, it.chain) == (record.position.sequence, record.position.chain)
        count += 1
    assert count > 100


def test_whoever_waits_waits_because_everybody_is_removed(day: Logs) -> None:
    standings = Counter[Standing]()
    for record, offer in offers(day):
        for record_id in (record.position.sequence - 1, record.position.sequence):
            try:
                it = asked(day, offer.task_id, record=record_id)
            except Refusal:
                continue
            standings[it.standing] += 1
            if it.standing is Standing.WAITING:
                assert it.record == record_id
                assert (it.agent_id, it.chosen_id) == ("", "")
                assert "NONE" not in removed_by(it).values()
    assert standings[Standing.WAITING] > 10
    assert standings[Standing.OFFERED] > 100


def test_an_offer_tells_by_what_and_by_which_settings_it_was_decided() -> None:
    recorder = small_centre()
    submit(recorder, "t-1")
    it = asked(Logs(recorder), "t-1")
    assert removed_by(it) == {"ana": "NONE", "bo": "NONE", "cy": "NOT_IN_QUEUE"}
    assert it.queue.version == 7
    versions = [(one.settings_version, one.presence_version) for one in it.candidates]
    assert versions == [(1, 11), (2, 12), (3, 13)]
    assert it.at == recorder.now
    response = explain_api.response(it)
    assert response.tie_break == api.TIE_BREAK_IDLE_LONGEST
    assert [one.agent_id for one in response.candidates] == ["ana", "bo", "cy"]
    assert response.candidates[2].removed_by == api.CANDIDATE_FILTER_NOT_IN_QUEUE


def test_nobody_got_it_because_of_what_each_was_doing() -> None:
    recorder = small_centre()
    submit(recorder, "t-1")
    recorder.give(PresenceObserved(ACME, "bo", 20, True, False))
    submit(recorder, "t-2")
    it = asked(Logs(recorder), "t-2")
    assert it.standing is Standing.WAITING
    assert removed_by(it) == {"ana": "NO_CAPACITY", "bo": "NOT_RECEIVING", "cy": "NOT_IN_QUEUE"}


def test_a_moment_is_looked_at_as_it_was() -> None:
    recorder = small_centre()
    recorder.give(PresenceObserved(ACME, "ana", 20, False, False))
    recorder.give(PresenceObserved(ACME, "bo", 20, False, False))
    submit(recorder, "t-1")
    alone = recorder.now
    recorder.wait(1000)
    recorder.give(PresenceObserved(ACME, "ana", 21, True, True))
    logs = Logs(recorder)
    assert asked(logs, "t-1", at=alone).standing is Standing.WAITING
    assert asked(logs, "t-1", at=alone + 999).chosen_id == ""
    assert asked(logs, "t-1", at=recorder.now).agent_id == "ana"
    assert asked(logs, "t-1").agent_id == "ana"


def test_what_was_given_by_hand_tells_whom_the_router_would_have_asked() -> None:
    recorder = small_centre()
    for agent_id in ("ana", "bo"):
        recorder.give(PresenceObserved(ACME, agent_id, 20, True, False))
    submit(recorder, "t-1")
    recorder.give(AssignTask(ACME, "t-1", "boss", Role.MANAGER, "bo", "r-1"))
    it = asked(Logs(recorder), "t-1")
    assert (it.standing, it.agent_id, it.chosen_id) == (Standing.ASSIGNED_BY_HAND, "bo", "")


def test_what_was_accepted_is_explained_by_its_offer() -> None:
    recorder = small_centre()
    submit(recorder, "t-1")
    recorder.give(AcceptOffer(ACME, "t-1", "ana", "r-1"))
    it = asked(Logs(recorder), "t-1")
    assert (it.standing, it.agent_id) == (Standing.OFFERED, "ana")
    assert asked(Logs(recorder), "t-1", offered_to="ana") == it


def test_what_is_over_or_never_was_is_said_to_be() -> None:
    recorder = small_centre()
    submit(recorder, "t-1")
    logs = Logs(recorder)
    with pytest.raises(NotFound, match="last day"):
        asked(logs, "t-9")
    with pytest.raises(NotFound) as never:
        asked(logs, "t-1", offered_to="bo")
    assert never.value.reason == "OFFER_NOT_FOUND"
    recorder.give(TaskClosed(ACME, "t-1"))
    with pytest.raises(NotNow) as over:
        asked(Logs(recorder), "t-1")
    assert over.value.reason == "TASK_ENDED"


def test_what_the_logs_no_longer_hold_is_not_made_up(day: Logs) -> None:
    later = [offer for _, offer in offers(day)][-1]
    cut = Logs(busy(1, 250, agents=4))
    del cut.journal[20:30]
    cut.snapshots = []
    with pytest.raises(NotNow) as torn:
        asked(cut, later.task_id, revision=later.revision)
    assert torn.value.reason == "EXPLANATION_TOO_OLD"
    cut.snapshots = day.snapshots
    assert asked(cut, later.task_id, revision=later.revision).chosen_id == later.agent_id


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch, day: Logs) -> None:
    class Slow(Logs):
        async def before(self, _: str, record: int, at: int) -> tuple[State, Position] | None:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(explain, "LONGEST_S", 0.01)
    with pytest.raises(TooLong):
        asked(Slow(busy(1, 10)), "task-1", revision=2)


def test_an_engine_that_prefers_others_since_is_seen(
    monkeypatch: pytest.MonkeyPatch, day: Logs
) -> None:
    monkeypatch.setattr(explain, "candidates", lambda *of: candidates(*of)[::-1])
    differ = [
        asked(day, offer.task_id, revision=offer.revision).chosen_id != offer.agent_id
        for _, offer in offers(day)
    ]
    assert any(differ)


def test_the_contract_knows_every_filter_and_every_part_of_a_rank() -> None:
    known = {name.removeprefix("CANDIDATE_FILTER_") for name in api.CandidateFilter.keys()}  # noqa: SIM118 - an enum of the proto
    assert known == {"UNSPECIFIED", *Filter} - {"NONE"}
    assert {f"STANDING_{it}" for it in Standing} < set(api.Standing.keys())
    assert len(explain_api.TIE_BREAKS) == len(Rank._fields)
    second = Rank(0, 0, 0, 5, 1, "bo")
    assert (
        explain_api.tie_break(Rank(0, -1, 9, 9, 9, "ana"), second) == api.TIE_BREAK_PREFERRED_SKILLS
    )
    assert explain_api.tie_break(Rank(0, 0, 0, 5, 1, "ana"), second) == api.TIE_BREAK_AGENT_ID
