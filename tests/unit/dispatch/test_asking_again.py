"""Who refused a task is asked again: after a pause, or when they choose Ready (R14)."""

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.adapters.records import encode_record
from services.dispatch.adapters.snapshots import read_snapshot, write_snapshot
from services.dispatch.domain.candidates import Filter, candidates
from services.dispatch.domain.decisions import GroupSet, Offered, PauseOver, QueueSet
from services.dispatch.domain.inputs import (
    AgentSelection,
    GroupConfigured,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    RingStrategy,
)
from services.dispatch.domain.policy import Overflow, OverflowTo, Policy
from services.dispatch.use_cases.ports import Position, Step
from tests.unit.dispatch.desk import ACME, NINE, Desk

PAUSE_MS = 20_000


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture(autouse=True)
def _no_promise_is_broken(desk: Desk) -> object:
    yield
    assert desk.problems == []


def ready_again(desk: Desk, agent_id: str) -> None:
    """Choose Ready, perhaps while being so."""
    desk.now += 1
    desk.here(agent_id, ready_at=desk.now)


def rung(desk: Desk, task_id: str, millis: int) -> list[str]:
    """Let time pass in small steps and list at whom a task rings, each time it begins to."""
    found = []
    for _ in range(millis // 500):
        found += [
            it.agent_id
            for it in desk.wait(500)
            if isinstance(it, Offered) and it.task_id == task_id
        ]
    return found


def test_who_let_a_ring_pass_and_stays_ready_is_asked_again_after_the_pause(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.wait(PAUSE_MS - 1)
    assert desk.place("t1") == "waits"
    desk.wait(1)
    assert desk.place("t1") == "rings ana"


@pytest.mark.parametrize("how", ["declined", "ignored", "unreachable"])
def test_it_does_not_matter_how_an_offer_was_let_pass(desk: Desk, how: str) -> None:
    desk.works("ana")
    desk.submit("t1")
    match how:
        case "declined":
            desk.decline("ana", "t1")
        case "ignored":
            desk.wait(20_000)
        case _:
            desk.unreachable("ana", "t1")
    assert desk.place("t1") == "waits"
    desk.wait(PAUSE_MS)
    assert desk.place("t1") == "rings ana"


def test_everybody_is_asked_in_turn_for_as_long_as_it_takes(desk: Desk) -> None:
    for agent in ("ana", "bo", "cyd"):
        desk.works(agent)
    desk.submit("t1")
    assert rung(desk, "t1", 200_000) == ["bo", "cyd", "ana"] * 3 + ["bo"]


def test_a_newer_task_does_not_ring_for_ever_while_an_older_one_waits(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("old")
    desk.decline("ana", "old")
    desk.submit("new")
    assert desk.place("new") == "rings ana"
    desk.decline("ana", "new")
    desk.wait(PAUSE_MS)
    assert desk.place("old") == "rings ana"


def test_who_was_not_asked_comes_before_who_was_however_good_they_are(desk: Desk) -> None:
    desk.queue("sales", AgentSelection.MOST_QUALIFIED)
    desk.works("expert", skills=(("es", 5),))
    desk.submit("t1", skills=(("es", 1),))
    desk.decline("expert", "t1")
    desk.mode(QueueMode.PAUSED)
    desk.works("novice", skills=(("es", 1),))
    desk.wait(PAUSE_MS)
    desk.mode(QueueMode.OPEN)
    assert desk.place("t1") == "rings novice"


def test_of_those_who_were_asked_the_least_recently_asked_is_asked_first(desk: Desk) -> None:
    desk.queue("sales")
    desk.works("ana", "other", "sales")
    desk.works("bo")
    desk.submit("t1")
    for agent in ("ana", "bo"):
        desk.now += 1_000
        desk.decline(agent, "t1")
    desk.submit("gone", "other")
    desk.close("gone")  # bo is idle longer now
    desk.mode(QueueMode.PAUSED)
    desk.wait(2 * PAUSE_MS)
    desk.mode(QueueMode.OPEN)
    assert desk.place("t1") == "rings ana"


def test_what_was_declined_at_once_rings_again_by_priority_and_age(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("zz-old")
    desk.decline("ana", "zz-old")
    desk.submit("aa-new")
    desk.now = desk.task("zz-old").refused["ana"]
    desk.decline("ana", "aa-new")
    desk.wait(PAUSE_MS)
    assert desk.place("zz-old") == "rings ana"


def test_after_a_standstill_the_first_of_all_rings_first(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("usual")
    desk.decline("ana", "usual")
    desk.submit("urgent", priority=99)
    desk.decline("ana", "urgent")
    desk.wait(10 * PAUSE_MS)
    assert (desk.place("urgent"), desk.place("usual")) == ("rings ana", "waits")


def test_ready_chosen_again_by_who_is_ready_is_a_reason_at_once(desk: Desk) -> None:
    desk.works("ana")
    for task_id in ("t1", "t2"):
        desk.submit(task_id)
        desk.decline("ana", task_id)
    ready_again(desk, "ana")
    assert desk.place("t1") == "rings ana"
    desk.decline("ana", "t1")
    assert desk.place("t2") == "rings ana"


def test_ready_chosen_again_forgets_what_others_refused_of_nobody(desk: Desk) -> None:
    for agent in ("ana", "bo"):
        desk.works(agent)
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.decline("bo", "t1")
    ready_again(desk, "bo")
    assert desk.place("t1") == "rings bo"
    assert desk.task("t1").excluded == ("ana",)


def test_an_old_choice_of_ready_is_no_reason(desk: Desk) -> None:
    desk.now += 1
    desk.agent("ana")
    desk.here("ana", ready_at=NINE)
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.here("ana", ready_at=NINE)
    assert desk.place("t1") == "waits"


@pytest.mark.parametrize("strategy", RingStrategy)
def test_a_group_is_asked_again_as_a_queue_is(desk: Desk, strategy: RingStrategy) -> None:
    desk.works("ana")
    desk.works("bo")
    desk.group("desk", "ana", "bo", strategy=strategy)
    desk.submit("t1", "", group_id="desk")
    for agent in ("ana", "bo", "ana"):
        desk.decline(agent, "t1")
    assert desk.place("t1") == "waits"
    desk.wait(PAUSE_MS)
    assert desk.place("t1").startswith("rings")
    ready_again(desk, "bo")
    for agent in ("ana", "bo", "ana"):
        desk.decline(agent, "t1")
    ready_again(desk, "ana")
    assert desk.place("t1") == "rings ana"


def test_a_group_that_still_rings_rings_again_at_who_declined(desk: Desk) -> None:
    desk.works("ana")
    desk.works("bo")
    desk.group("desk", "ana", "bo", ring_timeout_ms=60_000)
    desk.submit("t1", "", group_id="desk")
    desk.decline("ana", "t1")
    assert desk.place("t1") == "rings bo"
    desk.wait(PAUSE_MS)
    assert desk.place("t1") == "rings ana bo"


def test_a_group_in_order_asks_those_first_who_were_not_asked(desk: Desk) -> None:
    desk.works("ana")
    desk.works("bo")
    desk.group("desk", "ana", "bo", strategy=RingStrategy.SEQUENTIAL, ask_again_after_ms=5_000)
    desk.submit("t1", "", group_id="desk")
    assert rung(desk, "t1", 80_000) == ["bo", "ana", "bo", "ana"]


def test_the_pause_is_that_of_the_queue_or_group(desk: Desk) -> None:
    desk.queue("sales", ask_again_after_ms=60_000)
    desk.group("desk", "bo", ask_again_after_ms=5_000)
    desk.works("ana")
    desk.works("bo", "support")
    desk.submit("t1")
    desk.submit("t2", "", group_id="desk")
    desk.decline("ana", "t1")
    desk.decline("bo", "t2")
    desk.wait(5_000)
    assert (desk.place("t1"), desk.place("t2")) == ("waits", "rings bo")
    desk.wait(55_000)
    assert desk.place("t1") == "rings ana"


def test_a_shorter_pause_holds_for_those_who_wait(desk: Desk) -> None:
    desk.queue("sales", ask_again_after_ms=3_600_000)
    desk.group("desk", "ana", ask_again_after_ms=3_600_000)
    desk.works("ana", capacity=2)
    desk.submit("t1")
    desk.submit("t2", "", group_id="desk")
    desk.decline("ana", "t1")
    desk.decline("ana", "t2")
    desk.wait(30_000)
    desk.give(QueueConfigured(ACME, "sales", 2, ask_again_after_ms=5_000))
    desk.give(GroupConfigured(ACME, "desk", 2, member_ids=("ana",), ask_again_after_ms=5_000))
    desk.wait(0)
    assert (desk.place("t1"), desk.place("t2")) == ("rings ana", "rings ana")


def test_a_pause_that_ends_while_it_rings_elsewhere_is_over_when_it_waits_again(
    desk: Desk,
) -> None:
    desk.queue("sales", ask_again_after_ms=5_000)
    desk.works("ana")
    desk.works("bo")
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.wait(10_000)
    assert desk.place("t1") == "rings bo"
    desk.decline("bo", "t1")
    assert desk.place("t1") == "rings ana"


def test_who_is_not_free_when_their_pause_is_over_gets_it_when_they_are(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.submit("t2")
    desk.accept("ana", "t2")
    desk.wait(PAUSE_MS)
    assert desk.place("t1") == "waits"
    desk.complete("ana", "t2")
    assert desk.place("t1") == "rings ana"


def test_a_full_queue_turns_nobody_away_for_whom_somebody_may_be_asked_again(desk: Desk) -> None:
    there = Overflow(OverflowTo.QUEUE, "support")
    desk.queue("sales", policy=Policy(max_wait_ms=30_000, overflow=there))
    desk.queue("support", ask_again_after_ms=5_000, policy=Policy(max_waiting=1))
    desk.works("bo", "nowhere", "support")
    desk.submit("first", "support", skills=(("es", 5),))
    desk.works("ana", "sales", "support")
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.here("bo", receive_new=False)
    desk.give(
        QueueConfigured(
            ACME,
            "sales",
            2,
            ask_again_after_ms=3_600_000,
            policy=Policy(max_wait_ms=30_000, overflow=there),
        )
    )
    desk.wait(30_000)
    assert desk.place("t1") == "rings ana"


def test_who_must_not_get_it_because_a_supervisor_says_so_is_not_asked_again(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    desk.take_back("t1", exclude_agent=True)
    desk.save_and_load()
    desk.wait(3_600_000)
    assert desk.place("t1") == "waits"
    ready_again(desk, "ana")
    assert desk.place("t1") == "rings ana"


def test_a_paused_queue_asks_nobody_again_until_it_is_opened(desk: Desk) -> None:
    desk.queue("sales")
    desk.works("ana")
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.mode(QueueMode.PAUSED)
    desk.wait(PAUSE_MS)
    assert desk.place("t1") == "waits"
    desk.mode(QueueMode.OPEN)
    assert desk.place("t1") == "rings ana"


def test_what_waits_after_refusals_sets_one_timer_and_lets_it_go(desk: Desk) -> None:
    desk.queue("sales", offer_timeout_ms=1_000)
    for number in range(30):
        desk.works(f"agent-{number}")
    desk.submit("t1")
    desk.wait(0)
    decided = [it for _ in range(600) for it in desk.wait(100)]
    offers = sum(isinstance(it, Offered) for it in decided)
    assert sum(isinstance(it, PauseOver) for it in decided) <= offers
    assert len(desk.state.timers) < 10


def test_a_snapshot_keeps_who_was_asked_and_when(desk: Desk) -> None:
    for agent in ("ana", "bo"):
        desk.works(agent)
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.now += 3_000
    desk.decline("bo", "t1")
    desk.save_and_load()
    desk.wait(PAUSE_MS)
    assert desk.place("t1") == "rings ana"


def test_a_snapshot_from_before_pauses_asks_again_a_pause_after_it_was_made(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.now += 5_000
    desk.submit("t2", "elsewhere")
    old = wire.Snapshot.FromString(write_snapshot(desk.state, Position()))
    for saved in old.tasks:
        del saved.refused[:]
    state, _ = read_snapshot(old.SerializeToString())
    task = state.tenants[ACME].tasks["t1"]
    assert (task.excluded, task.refused) == (("ana",), {"ana": desk.state.at})
    due = state.next_timer()
    assert due is not None
    assert due[0] == desk.state.at + PAUSE_MS


def test_settings_that_older_routers_would_pass_over_are_written_as_another_kind() -> None:
    """Stand for all decisions: an older router that meets a kind it does not know does not lead."""

    def kinds(*decisions: QueueSet | GroupSet) -> list[str | None]:
        data, _ = encode_record(
            1, [Step(1, NINE, decisions)], chain=b"", emitted=0, owner_id="test"
        )
        steps = wire.Record.FromString(data).steps
        return [it.WhichOneof("body") for it in steps[0].decisions]

    usual = QueueSet(QueueConfigured(ACME, "q")), GroupSet(GroupConfigured(ACME, "g"))
    assert kinds(*usual) == ["queue_set", "group_set"]
    slow = (
        QueueSet(QueueConfigured(ACME, "q", ask_again_after_ms=60_000)),
        GroupSet(GroupConfigured(ACME, "g", ask_again_after_ms=60_000)),
    )
    assert kinds(*slow) == ["queue_set_asking_again", "group_set_asking_again"]


def test_it_is_explained_who_is_not_asked_until_when(desk: Desk) -> None:
    for agent in ("ana", "bo"):
        desk.works(agent)
    desk.submit("t1")
    desk.decline("ana", "t1")
    (bo, ana) = candidates(desk.state, desk.task("t1"), desk.now)
    assert (bo.agent_id, bo.removed_by, bo.rank.refused_at) == ("bo", Filter.RINGS_ALREADY, 0)
    assert (ana.agent_id, ana.removed_by) == ("ana", Filter.EXCLUDED)
    assert ana.rank.refused_at == desk.now


def test_the_ready_of_a_journal_from_before_pauses_is_a_reason_as_it_was(desk: Desk) -> None:
    desk.works("ana")
    desk.submit("t1")
    desk.decline("ana", "t1")
    desk.give(PresenceObserved(ACME, "ana", connected=True))
    desk.give(PresenceObserved(ACME, "ana", connected=True, receive_new=True))
    assert desk.place("t1") == "rings ana"
