"""What an agent's badge showed when, and how long on each day."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from .presence import Presence
from .status import Badge, Cause


@dataclass(frozen=True, slots=True)
class Change:
    """One version of a presence: what showed from `at` to the next one."""

    tenant_id: str
    user_id: str
    version: int
    at: datetime
    badge: Badge
    cause: Cause
    actor_id: str = ""


def change_of(it: Presence) -> Change:
    """Tell the last change of a presence that has had one."""
    if it.at is None:
        raise ValueError("nothing has changed yet")
    return Change(it.tenant_id, it.user_id, it.version, it.at, it.badge, it.cause, it.actor_id)


@dataclass(frozen=True, slots=True)
class Day:
    """One calendar day somewhere: from midnight to midnight, 23 to 25 hours mostly."""

    date: date
    begins: datetime
    ends: datetime


def days(first: date, count: int, zone: tzinfo) -> list[Day]:
    borders = [_midnight(first + timedelta(days=number), zone) for number in range(count + 1)]
    return [
        Day(first + timedelta(days=number), borders[number], borders[number + 1])
        for number in range(count)
    ]


def time_in_status(history: Sequence[Change], day: Day, now: datetime) -> Mapping[Badge, timedelta]:
    """Say how long each badge showed on a day, until `now` at most.

    `history` is in order and begins with what showed when the day began, if anything did. Before
    the first change ever nothing showed.
    """
    spent: defaultdict[Badge, timedelta] = defaultdict(timedelta)
    for change, until in _spans(history, min(day.ends, now)):
        begins = max(change.at, day.begins)
        if begins < until:
            spent[change.badge] += until - begins
    return spent


def _spans(history: Sequence[Change], end: datetime) -> Iterator[tuple[Change, datetime]]:
    for number, change in enumerate(history):
        following = history[number + 1].at if number + 1 < len(history) else end
        yield change, min(following, end)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
