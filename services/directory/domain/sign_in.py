"""How often one may guess, and how long a session lives."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FREE_FAILURES = 5
"""Of one name from one source."""
FREE_OF_SOURCE = 50
"""Of one source, at whatever names: an office signs in from one address."""
FREE_SOURCES = 10
"""Of one name, each of which has used up its own."""
LONGEST_WAIT = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(hours=1)
TRUSTED_FOR = timedelta(days=90)
"""A source that signed a user in is not held up by what others do to their name."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Sign-ins that have not yet been proven right: of one name from one source, say."""

    key: str
    failures: int = 0
    last_at: datetime | None = None
    version: int = 0

    def wait(self, now: datetime, free: int = FREE_FAILURES) -> timedelta:
        """Return how long the next attempt has to wait; zero: it may come now.

        So many are free, then 1, 2, 4 ... 60 seconds.
        """
        failures = self._remembered(now)
        if self.last_at is None or failures < free:
            return timedelta()
        doublings = min(failures - free, 10)
        rest = self.last_at + min(timedelta(seconds=2**doublings), LONGEST_WAIT) - now
        return max(rest, timedelta())

    def begun(self, now: datetime) -> "Attempts":
        """Count an attempt before its password is looked at.

        Otherwise a hundred guesses made at once would all be the first.
        """
        return replace(self, failures=self._remembered(now) + 1, last_at=now)

    def _remembered(self, now: datetime) -> int:
        if self.last_at is None or now - self.last_at >= FORGOTTEN_AFTER:
            return 0
        return self.failures


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
