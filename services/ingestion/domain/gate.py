"""Which account may be called now, so that a slow one does not hold the others up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

Key = tuple[str, str]

LONGEST_PAUSE = timedelta(seconds=30)
_WHEN_FULL = timedelta(milliseconds=500)


@dataclass(slots=True)
class _Lane:
    in_flight: int = 0
    failures: int = 0
    paused_until: datetime | None = None


class Gate:
    """At most `most` calls of an account at once, and one at a time while it is in trouble.

    Kept in memory by each replica: it spares the account and us, correctness does not rest on it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lanes: dict[Key, _Lane] = {}

    def enter(self, key: Key, now: datetime) -> timedelta | None:
        """Take a place and return None, or return how long to stay away."""
        lane = self._lanes.setdefault(key, _Lane())
        if lane.paused_until is not None and now < lane.paused_until:
            return lane.paused_until - now
        if lane.in_flight >= (1 if lane.failures else self._most):
            return _WHEN_FULL
        lane.in_flight += 1
        return None

    def leave(self, key: Key) -> None:
        """Give the place back; what was learnt about the account stays."""
        lane = self._lanes[key]
        lane.in_flight -= 1
        if not lane.in_flight and not lane.failures:
            del self._lanes[key]

    def well(self, key: Key) -> None:
        """The account answered: let all of its replies through again."""
        lane = self._lanes[key]
        lane.failures, lane.paused_until = 0, None

    def pause(self, key: Key, now: datetime, wish: timedelta | None) -> None:
        """The account is in trouble: leave it alone for its own wish, or ever longer."""
        lane = self._lanes[key]
        lane.failures += 1
        ours = min(timedelta(seconds=2 ** min(lane.failures - 1, 10)), LONGEST_PAUSE)
        until = now + (ours if wish is None else wish)
        lane.paused_until = max(until, lane.paused_until or until)
