"""When a queue is open, in moments of the world: opening hours without their zones and weekdays."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from .policy import BusinessHours, Span

Openings = tuple[tuple[int, int], ...]
"""Moments of opening and closing, in order and apart from each other."""


def turn(openings: Openings, until: int, at: int) -> tuple[bool, int]:
    """Tell whether it is open at a moment, and when that changes next (0: never)."""
    if at >= until:
        return True, 0
    for opens, closes in openings:
        if at < opens:
            return False, min(opens, until)
        if at < closes:
            return True, min(closes, until)
    return False, until


_ALL_DAY = 0, 24 * 60
"""What a week without spans has on each day."""


def expanded(hours: BusinessHours, since: int, until: int) -> Openings:
    """Return the openings between two moments. Raises ZoneInfoNotFoundError, ValueError."""
    if not hours.weekly and not hours.exceptions:
        return ((since, until),)
    zone = ZoneInfo(hours.time_zone)
    first = datetime.fromtimestamp(since / 1000, zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(until / 1000, zone).date()
    spans = sorted(
        (_moment(day, span.opens, zone, last=False), _moment(day, span.closes, zone, last=True))
        for day, span in _days(hours, first, last)
    )
    return tuple(_apart(spans, since, until))


def _days(hours: BusinessHours, first: date, last: date) -> Iterator[tuple[date, Span]]:
    exceptions = dict(hours.exceptions)
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        weekday = day.isoweekday()
        usual = tuple(span for span in hours.weekly if span.weekday == weekday)
        if not hours.weekly:
            usual = (Span(weekday, *_ALL_DAY),)
        for span in exceptions.get(day.isoformat(), usual):
            yield day, span


def _moment(day: date, minutes: int, zone: ZoneInfo, *, last: bool) -> int:
    """Return a local time as a moment.

    A time that a day has twice is the first one to open and the last one to close. A time that a
    day does not have is the moment at which the clocks go forward over it.
    """
    local = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minutes)
    earlier, later = (
        int(local.replace(tzinfo=zone, fold=fold).astimezone(UTC).timestamp() * 1000)
        for fold in (0, 1)
    )
    if earlier > later:
        return _jump(zone, later, earlier)
    return later if last else earlier


def _jump(zone: ZoneInfo, before: int, after: int) -> int:
    """Return the moment between two at which the offset of a zone changes."""
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, moment: int) -> timedelta | None:
    return datetime.fromtimestamp(moment / 1000, zone).utcoffset()


def _apart(spans: list[tuple[int, int]], since: int, until: int) -> Iterator[tuple[int, int]]:
    """Cut spans to what is asked for, and join those that touch."""
    current: tuple[int, int] | None = None
    for opens, closes in spans:
        opens, closes = max(opens, since), min(closes, until)  # noqa: PLW2901 - the same span, cut
        if opens >= closes:
            continue
        if current is not None and opens <= current[1]:
            current = (current[0], max(current[1], closes))
            continue
        if current is not None:
            yield current
        current = (opens, closes)
    if current is not None:
        yield current
