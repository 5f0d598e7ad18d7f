"""Time per status and day: nothing counted twice, nothing lost, on days of any length."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.presence.domain.history import Change, days, time_in_status
from services.presence.domain.status import DND, OFFLINE, ONLINE, READY, Badge, Cause

MADRID = ZoneInfo("Europe/Madrid")
LATER = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def history(*told: tuple[datetime, Badge]) -> list[Change]:
    return [
        Change("acme", "ana", number, at, badge, Cause.CHOSEN)
        for number, (at, badge) in enumerate(told, 1)
    ]


@pytest.mark.parametrize(
    ("first", "hours"),
    [
        (date(2026, 3, 28), 24),
        (date(2026, 3, 29), 23),
        (date(2026, 10, 25), 25),
        (date(2026, 10, 26), 24),
    ],
)
def test_a_day_has_the_hours_its_clocks_show(first: date, hours: int) -> None:
    (day,) = days(first, 1, MADRID)
    spent = time_in_status(history((day.begins - HOUR, READY)), day, LATER)

    assert spent == {READY: hours * HOUR}


def test_a_day_without_a_midnight_begins_when_it_begins() -> None:
    before, day, after = days(date(2018, 11, 3), 3, ZoneInfo("America/Sao_Paulo"))

    assert before.ends == day.begins
    assert day.ends == after.begins
    assert [one.ends - one.begins for one in (before, day, after)] == [
        24 * HOUR,
        23 * HOUR,
        24 * HOUR,
    ]


def test_a_shift_over_midnight_is_shared_by_both_days() -> None:
    monday, tuesday = days(date(2026, 1, 5), 2, MADRID)
    told = history(
        (monday.ends - 3 * HOUR, ONLINE),
        (monday.ends - 2 * HOUR, READY),
        (monday.ends + HOUR, DND),
        (monday.ends + 2 * HOUR, READY),
        (monday.ends + 5 * HOUR, OFFLINE),
    )

    assert time_in_status(told, monday, LATER) == {ONLINE: HOUR, READY: 2 * HOUR}
    assert time_in_status(told, tuesday, LATER) == {
        READY: 4 * HOUR,
        DND: HOUR,
        OFFLINE: 19 * HOUR,
    }


def test_today_counts_until_now_and_tomorrow_not_at_all() -> None:
    today, tomorrow = days(date(2026, 1, 5), 2, UTC)
    told = history((today.begins, READY))

    assert time_in_status(told, today, today.begins + HOUR) == {READY: HOUR}
    assert time_in_status(told, tomorrow, today.begins + HOUR) == {}


instants = st.integers(0, 9 * 24 * 3600).map(
    lambda seconds: datetime(2026, 10, 20, tzinfo=UTC) + timedelta(seconds=seconds)
)
zones = st.sampled_from(["UTC", "Europe/Madrid", "America/New_York", "Asia/Kathmandu"])


@given(
    st.lists(st.tuples(instants, st.sampled_from([OFFLINE, ONLINE, READY, DND])), max_size=30),
    zones,
    instants,
)
def test_the_days_together_are_the_whole_time_once(
    told: list[tuple[datetime, Badge]], zone: str, now: datetime
) -> None:
    told.sort(key=lambda one: one[0])
    changes = history(*[(at, badge) for at, badge in told if at <= now])
    week = days(date(2026, 10, 19), 12, ZoneInfo(zone))
    reported = [time_in_status(changes, day, now) for day in week]
    total = sum((sum(day.values(), timedelta()) for day in reported), timedelta())

    assert total == (now - changes[0].at if changes else timedelta())
    for day, times in zip(week, reported, strict=True):
        assert sum(times.values(), timedelta()) <= day.ends - day.begins
