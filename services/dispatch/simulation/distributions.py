"""How long things last: patience, service, after-service. All in seconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log, sqrt
from random import Random
from typing import Any, Protocol

from .settings import BadScenario, number, only


class Duration(Protocol):
    """Draws one duration; the same number of draws from the dice each time."""

    def __call__(self, dice: Random, /) -> float: ...


@dataclass(frozen=True, slots=True)
class Exponential:
    mean_s: float

    def __call__(self, dice: Random) -> float:
        return dice.expovariate(1 / self.mean_s)


@dataclass(frozen=True, slots=True)
class Deterministic:
    mean_s: float

    def __call__(self, _dice: Random) -> float:
        return self.mean_s


@dataclass(frozen=True, slots=True)
class Lognormal:
    """`cv`: standard deviation over mean; about 1.5 for the calls of a bank."""

    mean_s: float
    cv: float

    def __call__(self, dice: Random) -> float:
        variance = log(1 + self.cv**2)
        return dice.lognormvariate(log(self.mean_s) - variance / 2, sqrt(variance))


def _lognormal(table: Mapping[str, Any], where: str) -> Lognormal:
    only(table, where, "distribution", "mean_s", "cv")
    return Lognormal(number(table, "mean_s", where), number(table, "cv", where))


def _exponential(table: Mapping[str, Any], where: str) -> Exponential:
    only(table, where, "distribution", "mean_s")
    return Exponential(number(table, "mean_s", where))


def _deterministic(table: Mapping[str, Any], where: str) -> Deterministic:
    only(table, where, "distribution", "mean_s")
    return Deterministic(number(table, "mean_s", where))


_KINDS: dict[str, Callable[[Mapping[str, Any], str], Duration]] = {
    "exponential": _exponential,
    "deterministic": _deterministic,
    "lognormal": _lognormal,
}


def duration(table: Any, where: str) -> Duration:
    """Read `{distribution = "lognormal", mean_s = 180, cv = 1.5}`. Raises BadScenario."""
    if not isinstance(table, Mapping) or table.get("distribution") not in tuple(_KINDS):
        raise BadScenario(f"{where}: distribution is one of {', '.join(_KINDS)}.")
    return _KINDS[table["distribution"]](table, where)
