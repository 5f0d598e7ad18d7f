"""When a queue is served."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from itertools import pairwise
from zoneinfo import available_timezones

from . import fields, overflow
from .errors import FieldInvalid
from .overflow import Overflow

WEEKDAYS = (1, 7)
OPENS = (0, 1439)
CLOSES = (1, 1440)
MAX_SPANS = 100
MAX_DATES = 400


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """From one minute since local midnight until another."""

    opens: int
    closes: int


@dataclass(frozen=True, order=True, slots=True)
class WeekdaySpan:
    weekday: int
    """1 Monday to 7 Sunday."""
    span: Span


@dataclass(frozen=True, slots=True)
class OpenDate:
    """The spans of one date; none: closed all day."""

    date: str
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """No weekly spans: always open, but for the exceptions. A date stands for itself alone."""

    time_zone: str
    weekly: tuple[WeekdaySpan, ...] = ()
    exceptions: tuple[OpenDate, ...] = ()
    overflow: Overflow | None = None
    """Where to outside. None: the queue's."""

    def checked(self, field: str) -> "BusinessHours":
        if self.time_zone not in _time_zones():
            raise FieldInvalid(
                f"{field}.time_zone", "time_zone", "send an IANA name such as Europe/Madrid."
            )
        if self.overflow is not None:
            overflow.checked(f"{field}.overflow", self.overflow)
        return replace(
            self,
            weekly=_week(f"{field}.weekly", self.weekly),
            exceptions=_dates(f"{field}.exceptions", self.exceptions),
        )


def _week(field: str, week: tuple[WeekdaySpan, ...]) -> tuple[WeekdaySpan, ...]:
    fields.few(field, week, MAX_SPANS)
    for it in week:
        fields.number(f"{field}.weekday", it.weekday, *WEEKDAYS)
    for weekday in {it.weekday for it in week}:
        _day(field, (it.span for it in week if it.weekday == weekday))
    return tuple(sorted(week))


def _dates(field: str, dates: tuple[OpenDate, ...]) -> tuple[OpenDate, ...]:
    fields.few(field, dates, MAX_DATES)
    clean = [
        OpenDate(_date(f"{field}.date", it.date), _day(f"{field}.spans", it.spans)) for it in dates
    ]
    fields.once(f"{field}.date", (it.date for it in clean))
    return tuple(sorted(clean, key=lambda it: it.date))


def _day(field: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans of one day in order. They may touch; they may not overlap."""
    ordered = tuple(sorted(spans))
    fields.few(field, ordered, MAX_SPANS)
    for it in ordered:
        fields.number(f"{field}.opens", it.opens, *OPENS)
        fields.number(f"{field}.closes", it.closes, *CLOSES)
        if it.closes <= it.opens:
            raise FieldInvalid(f"{field}.closes", "order", "send a minute later than opens.")
    if any(later.opens < earlier.closes for earlier, later in pairwise(ordered)):
        raise FieldInvalid(field, "overlap", "make one span of those that overlap.")
    return ordered


def _date(field: str, text: str) -> str:
    try:
        good = date.fromisoformat(text).isoformat() == text
    except ValueError:
        good = False
    if not good:
        raise FieldInvalid(field, "date", "send a date such as 2026-12-25.")
    return text


@cache
def _time_zones() -> frozenset[str]:
    """All names of this machine's data base; reading it takes some 40 ms, once."""
    return frozenset(available_timezones() - {"Factory", "localtime"})
