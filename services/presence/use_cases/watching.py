"""Who is gone."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from services.presence.domain.errors import LeasesUnknown
from services.presence.domain.leases import GRACE, Key, LeaseBook
from services.presence.domain.status import Cause

from .agents import Agents
from .devices import SETTLING, Disconnect
from .ports import IsOver, Leases, Monotonic

AGAIN = 0.5
"""Seconds until a user who could not be settled is looked at again."""
AT_ONCE = 32
"""Users settled at once when many are due."""


class Watchman:
    """Notices who is gone, and keeps what this replica believes in step with the others.

    A deadline in memory only raises a suspicion. The shared bucket, asked at its leader, decides:
    it knows renewals that went to other replicas. While it cannot be asked nobody is gone, and
    after it could not be, everybody has a whole lease to call again.
    """

    def __init__(  # noqa: PLR0913 - what it watches, and what it may do
        self,
        agents: Agents,
        leases: Leases,
        book: LeaseBook,
        lease: timedelta,
        now: Monotonic,
        *,
        is_over: IsOver,
    ) -> None:
        self._agents, self._leases, self._book = agents, leases, book
        self._disconnect = Disconnect(agents, leases, book, now)
        self._lease, self._now, self._is_over = lease.total_seconds(), now, is_over
        self._blind = False
        self._cut_off: set[Key] = set()
        self._leaving: set[tuple[Key, str, str]] = set()
        self._few = asyncio.Semaphore(AT_ONCE)

    async def sweep(self) -> None:
        """Disconnect whoever has no lease any more; raises the first failure after all.

        Connect who has one and was declared gone at the moment it was taken.
        """
        leaving, self._leaving = self._leaving, set()
        cut_off, self._cut_off = self._cut_off, set()
        settled = [self._let_go(*one) for one in leaving]
        settled += [self._settle(user) for user in self._book.due(self._now())]
        settled += [self._bring_back(user) for user in cut_off]
        for outcome in await asyncio.gather(*settled, return_exceptions=True):
            if outcome is not None:
                raise outcome

    def blind(self) -> None:
        """The bucket cannot be asked."""
        self._blind = True

    def sees_again(self) -> None:
        """The bucket answers after it did not: nobody could renew meanwhile."""
        self._blind = False
        self._book.grace(self._now() + self._lease)

    def session_ended(self, user: Key, session_id: str) -> None:
        """Whoever called with tokens of this sign-in has signed out: so have their devices."""
        for device_id in self._book.devices_of(user, session_id):
            self._leaving.add((user, device_id, session_id))

    def heard(self, user: Key, device_id: str, age: float, session_id: str = "") -> None:
        """A lease was taken or renewed, here or elsewhere, `age` seconds ago.

        One of a sign-in that is over is given back with the next sweep.
        """
        self._book.bind(user, device_id, session_id)
        left = self._lease - max(age, 0.0)
        if left > 0:
            self._book.renew(user, device_id, self._now() + left)
        if self._is_over(user, session_id):
            self._leaving.add((user, device_id, session_id))

    def heard_goodbye(self, user: Key, device_id: str) -> None:
        """A device gave its lease back somewhere. Whoever took it tells; if they die, we do."""
        self._book.shorten(user, device_id, self._now() + SETTLING)

    def heard_of(self, user: Key, *, connected: bool) -> None:
        """A presence changed, here or elsewhere.

        A user declared gone while a device of theirs was calling is looked at once more.
        """
        now = self._now()
        if connected:
            if user not in self._book:
                self._book.renew(user, GRACE, now + self._lease)
        elif self._book.running(user, now):
            self._cut_off.add(user)
        else:
            self._book.forget(user)

    async def _let_go(self, user: Key, device_id: str, session_id: str) -> None:
        """Give back the lease of a device that may not call any more; should that fail, again."""
        if not self._is_over(user, session_id):
            return  # a user made again calls with the tokens of an issuer that names no sign-ins
        async with self._few:
            try:
                await self._disconnect.signed_out(user, device_id, session_id)
            except Exception as trouble:
                self._leaving.add((user, device_id, session_id))
                if not isinstance(trouble, LeasesUnknown):
                    raise

    async def _bring_back(self, user: Key) -> None:
        async with self._few:
            # Should the bucket not answer, the next heartbeat connects them.
            with suppress(LeasesUnknown):
                if await self._leases.left(user) > 0:
                    await self._agents.connect(user)

    async def _settle(self, user: Key) -> None:
        async with self._few:
            try:
                left = await self._leases.left(user)
                if self._blind:
                    self.sees_again()
                if left > 0:
                    self._book.renew(user, GRACE, self._now() + left)
                if not self._book.running(user, self._now()):
                    await self._agents.disconnect(user, Cause.LEASE_EXPIRED)
                    if not self._book.running(user, self._now()):
                        self._book.forget(user)
                        return
            except LeasesUnknown:
                self.blind()
            finally:
                # Renewed meanwhile, or not to be settled now.
                self._book.look_again(user, self._now() + AGAIN)
