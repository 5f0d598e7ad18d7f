"""How long a wait will be: from how fast a queue was served lately, held to its own past errors.

While somebody waits, starts of service are taken for a Poisson process, so the wait of the k-th
in line is a gamma variable of k starts. What that is wrong about (others overtake, agents come
and go, it rings for a while) shows as waits that are over sooner or later than foretold, and
each moves the quantile it missed a little: in the long run half the waits are over by P50 and
nine in ten by P90, whatever the process is. Only sums, products and square roots: the same on
every machine.
"""

from dataclasses import dataclass
from math import sqrt

from .value import value

KEPT = 0.995
"""What an older start counts against the next one: the last 200 or so speak."""

FEWEST_STARTS = 10.0
"""With less than these nothing is foretold."""

STEP = 0.02
"""How far one wait moves a quantile, as a share of it."""

P50, P90 = 0.5, 0.9
_Z = {P50: 0.0, P90: 1.2815515655446004}
"""Quantiles of the normal distribution."""

_WILDEST = 32.0
"""No correction is beyond this, either way."""


@value
class Estimate:
    """Milliseconds by which the wait is over: in half the cases, and in nine of ten."""

    p50: float
    p90: float


@value
class Wait:
    """A wait in a queue: since when, and what was foretold, if anything."""

    since: int
    foretold: Estimate | None


@dataclass(slots=True)
class Pace:
    """How fast a queue is served while somebody waits. Constant cost, whatever happens."""

    starts: float = 0.0
    waited: float = 0.0
    """Milliseconds in which somebody waited, weighted like the starts."""
    since: int = 0
    """Since the last start, or since somebody waits at all; 0 when nobody does."""
    ratio50: float = 1.0
    ratio90: float = 1.0

    def joined(self, length: int, at: int) -> None:
        """Somebody has come to wait; so many wait now."""
        if length == 1:
            self.since = at

    def left(self, length: int, at: int, *, started: bool) -> None:
        """Somebody does not wait any more: they are being served, or have gone."""
        if started and self.since:
            self.starts = self.starts * KEPT + 1
            self.waited = self.waited * KEPT + at - self.since
        elif length == 0 and self.since:
            self.waited += at - self.since
        if started or length == 0:
            self.since = at if length else 0

    def over(self, wait: Wait, at: int) -> None:
        """Learn from a wait that an agent has ended."""
        if wait.foretold is None:
            return
        took = at - wait.since
        self.ratio50 = _moved(self.ratio50, P50, late=took > wait.foretold.p50)
        self.ratio90 = _moved(self.ratio90, P90, late=took > wait.foretold.p90)

    def estimate(self, place: int, at: int) -> Estimate | None:
        """Foretell the wait of the one at a place of the line, from 1; None when nobody can."""
        if self.starts < FEWEST_STARTS or place < 1:
            return None
        open_ms = at - self.since if self.since else 0
        mean = (self.waited + open_ms) / self.starts
        p50 = self.ratio50 * mean * _gamma(place, self.starts, P50)
        return Estimate(p50, max(p50, self.ratio90 * mean * _gamma(place, self.starts, P90)))


def _gamma(shape: int, known: float, share: float) -> float:
    """Return a quantile of a gamma variable whose scale is known from so many others.

    By the cube root of Wilson and Hilferty: within 2 % of the exact one from the first place on.
    """
    spread = (1 / shape + 1 / known) / 9
    root = 1 - spread + _Z[share] * sqrt(spread)
    return shape * root * root * root


def _moved(ratio: float, share: float, *, late: bool) -> float:
    """Move a quantile so that it rests where `share` of the waits are over by it."""
    ratio *= 1 + STEP * (share if late else share - 1)
    return min(max(ratio, 1 / _WILDEST), _WILDEST)
