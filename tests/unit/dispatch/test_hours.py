"""Opening hours become moments of the world, also where clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

import pytest

from services.dispatch.domain.hours import expanded, turn
from services.dispatch.domain.policy import BusinessHours, Span

WEEK = tuple(Span(day, 9 * 60, 18 * 60) for day in range(1, 6))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def told(hours: BusinessHours, since: str, until: str) -> list[str]:
    """Say the openings in UTC, as `29T08:00-29T17:00`."""
    return [
        f"{datetime.fromtimestamp(opens / 1000, UTC):%dT%H:%M}"
        f"-{datetime.fromtimestamp(closes / 1000, UTC):%dT%H:%M}"
        for opens, closes in expanded(hours, at(since), at(until))
    ]


def test_a_week_is_open_on_its_days() -> None:
    hours = BusinessHours("Europe/Madrid", WEEK)
    assert told(hours, "2026-02-06T00:00", "2026-02-10T00:00") == [
        "06T08:00-06T17:00",
        "09T08:00-09T17:00",
    ]


@pytest.mark.parametrize(
    ("exceptions", "openings"),
    [
        ((("2026-02-07", ()),), ["06T00:00-06T23:00", "07T23:00-10T00:00"]),
        (
            (("2026-02-07", (Span(0, 600, 720),)),),
            ["06T00:00-06T23:00", "07T09:00-07T11:00", "07T23:00-10T00:00"],
        ),
        ((("2026-03-01", ()),), ["06T00:00-10T00:00"]),
    ],
)
def test_without_weekly_spans_it_is_always_open_but_for_the_exceptions(
    exceptions: tuple[tuple[str, tuple[Span, ...]], ...], openings: list[str]
) -> None:
    hours = BusinessHours("Europe/Madrid", exceptions=exceptions)
    assert told(hours, "2026-02-06T00:00", "2026-02-10T00:00") == openings


def test_the_same_local_hours_are_others_in_summer() -> None:
    daily = BusinessHours("Europe/Madrid", tuple(Span(day, 540, 600) for day in range(1, 8)))
    assert told(daily, "2026-03-28T00:00", "2026-03-30T00:00") == [
        "28T08:00-28T09:00",
        "29T07:00-29T08:00",
    ]


def test_a_night_without_its_third_hour_is_an_hour_shorter() -> None:
    night = BusinessHours("Europe/Madrid", (Span(7, 0, 6 * 60),))
    assert told(night, "2026-03-28T12:00", "2026-03-29T12:00") == ["28T23:00-29T04:00"]


@pytest.mark.parametrize(
    ("span", "openings"),
    [
        (Span(7, 150, 300), ["29T01:00-29T03:00"]),  # opens in the hour that is not there
        (Span(7, 60, 150), ["29T00:00-29T01:00"]),  # closes in it
        (Span(7, 130, 170), []),  # lies in it
    ],
)
def test_a_time_that_is_not_there_is_the_jump_of_the_clock(span: Span, openings: list[str]) -> None:
    hours = BusinessHours("Europe/Madrid", (span,))
    assert told(hours, "2026-03-28T12:00", "2026-03-29T12:00") == openings


def test_a_time_that_is_there_twice_opens_at_the_first_and_closes_at_the_second() -> None:
    night = BusinessHours("Europe/Madrid", (Span(7, 150, 170),))
    assert told(night, "2026-10-24T12:00", "2026-10-25T12:00") == ["25T00:30-25T01:50"]


def test_a_zone_whose_day_begins_before_that_of_utc_is_not_cut() -> None:
    hours = BusinessHours("Pacific/Auckland", (Span(1, 0, 60),))
    assert told(hours, "2026-07-05T12:00", "2026-07-05T13:00") == ["05T12:00-05T13:00"]


def test_days_that_touch_are_one_opening() -> None:
    always = BusinessHours("Europe/Madrid", tuple(Span(day, 0, 1440) for day in range(1, 8)))
    assert len(expanded(always, at("2026-03-01T00:00"), at("2026-11-01T00:00"))) == 1


def test_a_date_of_its_own_stands_for_itself_alone() -> None:
    hours = BusinessHours(
        "Europe/Madrid",
        WEEK,
        (("2026-12-25", ()), ("2026-12-26", (Span(1, 600, 660),))),
    )
    assert told(hours, "2026-12-24T00:00", "2026-12-28T00:00") == [
        "24T08:00-24T17:00",
        "26T09:00-26T10:00",
    ]


def test_no_hours_are_always() -> None:
    assert expanded(BusinessHours("Mars/Olympus"), 5, 9) == ((5, 9),)


def test_a_zone_that_does_not_exist_is_said() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        expanded(BusinessHours("Mars/Olympus", WEEK), 0, 10**9)


def test_openings_alternate_and_turn_where_they_begin_and_end() -> None:
    hours = BusinessHours("America/Sao_Paulo", WEEK)
    since, until = at("2026-01-01T00:00"), at("2026-02-01T00:00")
    openings = expanded(hours, since, until)
    moment, seen = since, []
    while moment < until:
        is_open, moment = turn(openings, until, moment)
        seen.append((is_open, moment))
    assert [closes for _, closes in openings] == [end for is_open, end in seen if is_open]
    assert turn(openings, until, until) == (True, 0)
    assert timedelta(milliseconds=sum(c - o for o, c in openings)) == timedelta(hours=9 * 22)
