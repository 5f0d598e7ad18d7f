"""Which key signs now, which are published, and when the next is made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Keys are numbered: two processes that make the next one make the same number."""

    number: int
    kid: str
    private: bytes = field(repr=False)
    public: bytes
    signs_from: datetime


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    lifetime: timedelta
    """How long a key signs."""
    lead: timedelta
    """How long a key is published before it signs; longer than anybody caches the key set."""
    afterlife: timedelta
    """How long a key is published after it signed; longer than a token is good for."""

    def next_signs_from(self, keys: Sequence[SigningKey], now: datetime) -> datetime | None:
        """Return when a key to be made now would begin to sign; None: none is needed yet."""
        newest = max(keys, key=lambda key: key.number, default=None)
        if newest is None:
            return now
        due = newest.signs_from + self.lifetime
        if now < due - self.lead:
            return None
        return max(due, now + self.lead)

    def signer(self, keys: Sequence[SigningKey], now: datetime) -> SigningKey | None:
        """Return the newest key that may sign. A first key may be from a faster clock."""
        able = [key for key in keys if key.signs_from <= now] or list(keys)[:1]
        return max(able, key=lambda key: key.number, default=None)

    def spent(self, keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
        """Return keys whose last token has expired: the next one began long enough ago."""
        ordered = sorted(keys, key=lambda key: key.number)
        pairs = pairwise(ordered)
        return [old for old, new in pairs if new.signs_from + self.afterlife <= now]
