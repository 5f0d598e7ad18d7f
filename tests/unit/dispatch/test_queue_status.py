"""What a supervisor is told of a queue: the truth of this moment, and only to who rules it."""

from datetime import date, timedelta

import pytest

from services.dispatch.adapters.head_waits import longest_head_wait_s
from services.dispatch.domain.decisions import Reason
from services.dispatch.domain.inputs import OpeningsForeseen, QueueMode, Role
from services.dispatch.domain.policy import BusinessHours, Policy, Span
from services.dispatch.use_cases.foresee import foreseen
from services.dispatch.use_cases.queues import Asker, QueueStatus, status
from tests.unit.dispatch.desk import ACME, Desk

BOSS = Asker("boss", Role.MANAGER)


def told(desk: Desk, asker: Asker = BOSS, queue_id: str = "sales") -> QueueStatus | Reason:
    return status(desk.state, ACME, queue_id, asker, desk.now)


def known(desk: Desk, queue_id: str = "sales") -> QueueStatus:
    found = told(desk, queue_id=queue_id)
    assert isinstance(found, QueueStatus)
    return found


def test_who_waits_and_who_is_there_is_counted() -> None:
    desk = Desk()
    desk.queue("sales")
    assert known(desk) == QueueStatus(
        QueueMode.OPEN,
        is_open=True,
        turns_at=0,
        waiting=0,
        first_since=0,
        agents_there=0,
        foretold=None,
    )
    desk.works("ana")
    desk.works("bo", "support")
    desk.agent("cyd")
    desk.submit("rings")
    desk.submit("young")
    desk.submit("old", age=60_000)
    desk.submit("elsewhere", "support")
    now = known(desk)
    assert (now.waiting, now.agents_there, now.first_since) == (
        2,
        1,
        desk.task("old").submitted.enqueued_at,
    )
    desk.gone("ana")
    assert (known(desk).waiting, known(desk).agents_there) == (3, 0)


def test_a_pause_is_seen_until_the_queue_is_opened_also_after_a_restart() -> None:
    desk = Desk()
    desk.queue("sales")
    for mode in (QueueMode.PAUSED, QueueMode.DRAINING, QueueMode.OPEN):
        desk.mode(mode)
        desk.save_and_load()
        assert known(desk).mode is mode


def test_closing_time_is_seen_and_when_it_ends() -> None:
    desk = Desk()
    desk.queue("sales", policy=Policy(hours=BusinessHours("UTC")))
    opens, closes = desk.now + 60_000, desk.now + 120_000
    version = desk.state.tenants[ACME].queues["sales"].version
    desk.give(OpeningsForeseen(ACME, "sales", version, ((opens, closes),), closes + 60_000))
    assert (known(desk).is_open, known(desk).turns_at) == (False, opens)
    desk.wait(60_000)
    assert (known(desk).is_open, known(desk).turns_at) == (True, closes)


def test_what_never_turns_as_far_as_is_known_has_no_moment_at_which_it_does() -> None:
    desk = Desk()
    rules = {
        "always": BusinessHours("UTC"),
        "daily": BusinessHours("UTC", tuple(Span(day, 0, 1440) for day in range(1, 8))),
        "never": BusinessHours("UTC", exceptions=_closed_for_a_year()),
    }
    for queue_id, hours in rules.items():
        desk.queue(queue_id, policy=Policy(hours=hours))
    for fact in list(foreseen(desk.state, desk.now)):
        desk.give(fact)
    told = {queue_id: known(desk, queue_id) for queue_id in rules}
    assert {queue_id: it.turns_at for queue_id, it in told.items()} == dict.fromkeys(rules, 0)
    assert [it.is_open for it in told.values()] == [True, True, False]


def _closed_for_a_year() -> tuple[tuple[str, tuple[Span, ...]], ...]:
    days = (date(2026, 1, 1) + timedelta(days=number) for number in range(365))
    return tuple((day.isoformat(), ()) for day in days)


def test_the_wait_of_the_last_in_line_is_foretold_unless_the_queue_is_paused() -> None:
    desk = Desk()
    desk.queue("sales")
    desk.works("ana")
    for number in range(30):
        desk.submit(f"t{number}")
    for number in range(20):
        desk.accept("ana", f"t{number}")
        desk.wait(10_000)
        desk.complete("ana", f"t{number}")
    foretold = known(desk).foretold
    assert foretold is not None
    assert 60_000 < foretold.p50 < foretold.p90
    desk.mode(QueueMode.PAUSED)
    assert known(desk).foretold is None


@pytest.mark.parametrize(
    ("asker", "queue_id", "reason"),
    [
        (BOSS, "nobodys", Reason.QUEUE_NOT_FOUND),
        (Asker("sue", Role.SUPERVISOR), "sales", Reason.QUEUE_NOT_YOURS),
        (Asker("ana", Role.AGENT), "sales", Reason.QUEUE_NOT_YOURS),
    ],
)
def test_only_who_rules_a_queue_is_told(asker: Asker, queue_id: str, reason: Reason) -> None:
    desk = Desk()
    desk.queue("sales")
    desk.agent("ana")
    desk.agent("sue", "support")
    assert told(desk, asker, queue_id) is reason
    assert status(desk.state, "globex", "sales", BOSS, desk.now) is Reason.QUEUE_NOT_FOUND
    assert "globex" not in desk.state.tenants


def test_the_longest_wait_of_those_who_are_next_is_told_over_all_queues() -> None:
    desk = Desk()
    assert longest_head_wait_s(desk.state, desk.now) == 0
    desk.queue("sales")
    desk.queue("support")
    desk.submit("young", "sales", age=1_000)
    desk.submit("old", "support", age=60_000)
    assert longest_head_wait_s(desk.state, desk.now) == 60
