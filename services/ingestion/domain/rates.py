"""How much at once: token buckets, in memory, one per key."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from .account import ChannelAccount
from .errors import RateLimited


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per second in the long run, and this many at once."""

    per_second: float
    burst: int


class Limiter:
    """Buckets of one rate. Keys that were long quiet are forgotten: a full bucket is no news."""

    def __init__(self, rate: Rate, most_keys: int = 50_000) -> None:
        self._rate = rate
        self._most_keys = most_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> None:
        """Take one token at `now` (seconds of a steady clock), or raise RateLimited."""
        full = float(self._rate.burst)
        left, since = self._buckets.pop(key, (full, now))
        left = min(full, left + (now - since) * self._rate.per_second)
        enough = left >= 1
        self._buckets[key] = (left - 1 if enough else left, now)
        while len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
        if not enough:
            raise RateLimited(math.ceil((1 - left) / self._rate.per_second))


class VisitorRates:
    """The webchat's: of each visitor, of each client (an address), and of an account's together.

    In this order, so that nobody takes from a common allowance what their own does not give them. A
    client has less than the account: visitors cost a client nothing, so theirs alone bound nobody.
    """

    def __init__(
        self, *, account: Rate, client: Rate, visitor: Rate, now: Callable[[], float]
    ) -> None:
        self._accounts = Limiter(account)
        self._clients = Limiter(client)
        self._visitors = Limiter(visitor)
        self._now = now

    def take(self, account: ChannelAccount, client: str, speaker: str) -> None:
        """Take one of the visitor's, if one speaks, of the client's and of the account's."""
        now, key = self._now(), "/".join(account.key)
        if speaker:
            self._visitors.take(f"{key}/{speaker}", now)
        self._clients.take(f"{key}/{client}", now)
        self._accounts.take(key, now)
