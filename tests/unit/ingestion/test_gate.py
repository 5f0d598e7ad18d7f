"""A slow account does not hold the others up."""

from datetime import UTC, datetime, timedelta

from services.ingestion.domain.gate import LONGEST_PAUSE, Gate

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SLOW, WELL = ("acme", "slow"), ("acme", "well")


def test_each_account_has_its_own_places() -> None:
    gate = Gate(most=2)
    assert gate.enter(SLOW, NINE) is None
    assert gate.enter(SLOW, NINE) is None
    assert gate.enter(SLOW, NINE) is not None
    assert gate.enter(WELL, NINE) is None
    gate.leave(SLOW)
    assert gate.enter(SLOW, NINE) is None


def test_an_account_in_trouble_is_left_alone_then_tried_by_one() -> None:
    gate = Gate(most=8)
    gate.enter(SLOW, NINE)
    gate.pause(SLOW, NINE, None)
    gate.leave(SLOW)
    assert gate.enter(SLOW, NINE) == timedelta(seconds=1)
    later = NINE + timedelta(seconds=1)
    assert gate.enter(SLOW, later) is None
    assert gate.enter(SLOW, later) is not None
    gate.well(SLOW)
    assert gate.enter(SLOW, later) is None


def test_the_pause_grows_and_has_an_end() -> None:
    gate, now, pauses = Gate(most=8), NINE, []
    for _ in range(8):
        assert gate.enter(SLOW, now) is None
        gate.pause(SLOW, now, None)
        gate.leave(SLOW)
        wait = gate.enter(SLOW, now)
        assert wait is not None
        pauses.append(wait)
        now += wait
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_the_account_s_own_wish_is_obeyed() -> None:
    gate = Gate(most=8)
    gate.enter(SLOW, NINE)
    gate.pause(SLOW, NINE, timedelta(minutes=20))
    gate.leave(SLOW)
    assert gate.enter(SLOW, NINE) == timedelta(minutes=20)


def test_a_late_failure_does_not_shorten_a_pause() -> None:
    gate = Gate(most=2)
    gate.enter(SLOW, NINE)
    gate.enter(SLOW, NINE)
    gate.pause(SLOW, NINE, timedelta(minutes=20))
    gate.pause(SLOW, NINE, None)
    assert gate.enter(SLOW, NINE) == timedelta(minutes=20)
