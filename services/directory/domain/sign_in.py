"""How often one may guess, and how long a session lives."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FREE_FAILURES = 5
"""Of one name from one source."""
FREE_OF_SOURCE = 50
"""Of one source, at whatever names: an office signs in from one address."""
FREE_SOURCES = 10
"""Of one name, each of which has used up its own."""
DOUBLINGS = 6
LONGEST_WAIT = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(hours=1)
TRUSTED_FOR = timedelta(days=90)
"""A source that signed a user in is not held up by what others do to their name."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Sign-ins that were proven wrong: of one name from one source, say.

    So many are free, and what is free comes back within an hour, one by one: the mistakes of a week
    never add up, however many sign in right meanwhile.
    """

    key: str
    failures: float = 0.0
    """As of the last one."""
    last_at: datetime | None = None
    version: int = 0

    def wait(self, now: datetime, free: int) -> timedelta:
        """Return how long the next attempt has to wait; zero: it may come now.

        What is free does not wait, then it is 1, 2, 4 ... 60 seconds from the last failure.
        """
        over = min(self.count(now, free) - free, DOUBLINGS)
        if self.last_at is None or over < 0:
            return timedelta()
        rest = self.last_at + min(timedelta(seconds=2**over), LONGEST_WAIT) - now
        return max(rest, timedelta())

    def failed(self, now: datetime, free: int) -> "Attempts":
        """Count one more. Beyond the longest wait there is nothing to count."""
        failures = min(self._left(now, free) + 1, float(free + DOUBLINGS))
        return replace(self, failures=failures, last_at=now)

    def count(self, now: datetime, free: int) -> int:
        """Return how many are not forgotten: one that is half forgotten is one."""
        return math.ceil(round(self._left(now, free), 6))

    def _left(self, now: datetime, free: int) -> float:
        if self.last_at is None:
            return 0.0
        return max(self.failures - free * ((now - self.last_at) / FORGOTTEN_AFTER), 0.0)


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in on one device. Only the newest refresh token continues it."""

    id: str
    tenant_id: str
    user_id: str
    password_id: str
    token_hash: str
    idle_until: datetime
    ends_at: datetime

    def alive(self, now: datetime) -> bool:
        return now < min(self.idle_until, self.ends_at)

    def rotated(self, token_hash: str, now: datetime, idle: timedelta) -> "Session":
        return replace(self, token_hash=token_hash, idle_until=min(now + idle, self.ends_at))
