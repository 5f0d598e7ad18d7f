"""Who calls when, how long they wait and what their service takes: the trace of a run.

Everything that is chance about a call is drawn with the call, before anything is routed. Two
configurations that are run on one trace differ only by what they do with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from services.dispatch.domain.inputs import Skills

from .distributions import Duration

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Call:
    """One piece of work. Times in milliseconds since the run began; durations likewise."""

    at: int
    queue_id: str
    service: int
    patience: int | None = None
    """None: waits for ever."""
    after_service: int = 0
    skills: Skills = ()
    priority: int = 0
    cost: int = 1
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A moment, and what a recorded trace knows about the call that came then. In seconds."""

    at_s: float
    service_s: float | None = None
    patience_s: float | None = None
    queue_id: str = ""


class Pattern(Protocol):
    """When calls come, within the first `horizon_s` seconds."""

    def __call__(self, dice: Random, horizon_s: float, starts_s: float, /) -> Iterator[Arrival]: ...

    def drawn(self, horizon_s: float, /) -> float:
        """Return about how many calls must be drawn for this."""


@dataclass(frozen=True, slots=True)
class Poisson:
    per_hour: float

    def drawn(self, horizon_s: float) -> float:
        return self.per_hour * horizon_s / HOUR_S

    def __call__(self, dice: Random, horizon_s: float, _starts_s: float) -> Iterator[Arrival]:
        at = 0.0
        while (at := at + dice.expovariate(self.per_hour / HOUR_S)) < horizon_s:
            yield Arrival(at)


@dataclass(frozen=True, slots=True)
class DailyProfile:
    """Rates an hour by time of day: seconds since midnight, and the rate from then on."""

    rates: tuple[tuple[float, float], ...]

    def __call__(self, dice: Random, horizon_s: float, starts_s: float) -> Iterator[Arrival]:
        """Thin a Poisson process of the highest rate."""
        highest = self._highest
        for it in highest(dice, horizon_s, starts_s):
            keep = dice.random() * highest.per_hour
            if keep < self._rate((starts_s + it.at_s) % DAY_S):
                yield it

    def drawn(self, horizon_s: float) -> float:
        return self._highest.drawn(horizon_s)

    @property
    def _highest(self) -> Poisson:
        return Poisson(max(rate for _, rate in self.rates))

    def _rate(self, time_of_day_s: float) -> float:
        """Before the first of the day, the last of the day before holds."""
        rate = self.rates[-1][1]
        for since_s, per_hour in self.rates:
            if since_s > time_of_day_s:
                break
            rate = per_hour
        return rate


@dataclass(frozen=True, slots=True)
class Recorded:
    """A trace as it was recorded; the same in every replication."""

    arrivals: tuple[Arrival, ...]

    def __call__(self, _dice: Random, horizon_s: float, _starts_s: float) -> Iterator[Arrival]:
        return (it for it in self.arrivals if it.at_s < horizon_s)

    def drawn(self, _horizon_s: float) -> float:
        return float(len(self.arrivals))


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls of one kind."""

    queue_id: str
    pattern: Pattern
    service: Duration
    patience: Duration | None = None
    after_service: Duration | None = None
    skills: Skills = ()
    priority: int = 0
    cost: int = 1
    group_id: str = ""


def trace(
    traffic: Sequence[Traffic], seed: str, horizon_s: float, starts_s: float
) -> tuple[Call, ...]:
    """Draw all calls of a run, oldest first; the same seed gives the same calls.

    Moments and durations have dice of their own, so that changing how long something lasts
    leaves the rest of the trace as it was.
    """
    calls: list[Call] = []
    for number, kind in enumerate(traffic):
        moments, service, patience, after = (
            Random(f"{seed}/{number}/{what}")  # noqa: S311 - chance, not a secret
            for what in ("moments", "service", "patience", "after")
        )
        for it in kind.pattern(moments, horizon_s, starts_s):
            served = kind.service(service)
            waits = kind.patience(patience) if kind.patience is not None else None
            busy = kind.after_service(after) if kind.after_service is not None else 0.0
            calls.append(
                Call(
                    _ms(it.at_s),
                    it.queue_id or kind.queue_id,
                    _ms(served if it.service_s is None else it.service_s),
                    _ms_or_none(waits if it.patience_s is None else it.patience_s),
                    _ms(busy),
                    kind.skills,
                    kind.priority,
                    kind.cost,
                    kind.group_id,
                )
            )
    return tuple(sorted(calls, key=lambda it: it.at))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _ms_or_none(seconds: float | None) -> int | None:
    return None if seconds is None else _ms(seconds)
