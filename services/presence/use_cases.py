"""Connect, renew, leave, choose; and notice who is gone."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from services.kernel.again import again_if
from services.kernel.clock import Clock
from services.kernel.ids import is_token

from .domain.errors import DeviceIdInvalid, LeasesUnknown, PageSizeInvalid, Stale, UserIdInvalid
from .domain.leases import GRACE, Key, LeaseBook
from .domain.presence import Cause, Presence

Monotonic = Callable[[], float]

LARGEST_PAGE = 200
USUAL_PAGE = 50
SETTLING = 1.0
"""Seconds in which the replica a device said goodbye to has told the rest."""
AGAIN = 0.5
"""Seconds until a user who could not be settled is looked at again."""
AT_ONCE = 32
"""Users settled at once when many are due."""


class Presences(Protocol):
    def recalled(self, user: Key) -> Presence | None:
        """What this process wrote or heard last, at no cost."""
        ...

    async def read(self, user: Key) -> Presence | None: ...

    async def save(self, before: Presence, after: Presence) -> None:
        """Write and announce `after` if the store still has `before`, or raise Stale."""
        ...

    async def page(self, tenant_id: str, after: str, size: int) -> Sequence[Presence]: ...


class Leases(Protocol):
    """The leases all replicas share."""

    async def take(self, user: Key, device_id: str) -> None:
        """Store a first lease. An outage is no error: the next renewal stores it."""
        ...

    def renew(self, user: Key, device_id: str) -> None:
        """Store a renewal soon; nobody waits for it."""
        ...

    async def give_back(self, user: Key, device_id: str) -> None:
        """Remove a lease, or raise LeasesUnknown."""
        ...

    async def left(self, user: Key) -> float:
        """Seconds until the last of the user's leases ends, 0 without one; or LeasesUnknown."""
        ...


class Agents:
    """Loads, decides and saves; everything that changes a presence goes through here."""

    def __init__(self, presences: Presences, clock: Clock, keep_choice: timedelta) -> None:
        self._presences = presences
        self._clock = clock
        self._keep_choice = keep_choice

    def connected(self, user: Key) -> Presence | None:
        """Return the presence, at no cost, of an agent who is known to be connected."""
        known = self._presences.recalled(user)
        return known if known is not None and known.connected else None

    @again_if(Stale)
    async def connect(self, user: Key) -> Presence:
        known = await self._read(user)
        return await self._save(known, known.connect(self._clock(), self._keep_choice))

    @again_if(Stale)
    async def disconnect(self, user: Key, cause: Cause) -> Presence:
        known = await self._read(user)
        return await self._save(known, known.disconnect(self._clock(), cause))

    @again_if(Stale)
    async def choose(self, user: Key, *, receive_new: bool) -> Presence:
        known = await self._read(user)
        return await self._save(known, known.choose(self._clock(), receive_new=receive_new))

    async def _read(self, user: Key) -> Presence:
        return await self._presences.read(user) or Presence(*user)

    async def _save(self, before: Presence, after: Presence) -> Presence:
        if after is not before:
            await self._presences.save(before, after)
        return after


class Heartbeat:
    """Take or renew the lease of a device.

    A renewal touches memory, and its message goes out with those of the same moment. The store is
    asked only for a first lease, and when the agent is not known to be connected. What a renewal
    answers may be milliseconds behind a choice made at another replica; its version tells.
    """

    def __init__(
        self,
        agents: Agents,
        leases: Leases,
        book: LeaseBook,
        lease: timedelta,
        now: Monotonic,
    ) -> None:
        self._agents, self._leases, self._book = agents, leases, book
        self._lease, self._now = lease.total_seconds(), now

    async def __call__(self, user: Key, device_id: str) -> Presence:
        _insist_on_device(device_id)
        now = self._now()
        if not self._book.renew(user, device_id, now + self._lease, now=now):
            await self._leases.take(user, device_id)
            return await self._agents.connect(user)
        self._leases.renew(user, device_id)
        return self._agents.connected(user) or await self._agents.connect(user)


class Disconnect:
    """Give a lease back. The agent stays connected while another device holds one."""

    def __init__(self, agents: Agents, leases: Leases, book: LeaseBook, now: Monotonic) -> None:
        self._agents, self._leases, self._book, self._now = agents, leases, book, now

    async def __call__(self, user: Key, device_id: str) -> None:
        _insist_on_device(device_id)
        await self._leases.give_back(user, device_id)
        # From here on the sweep would finish what an interrupted goodbye began.
        self._book.shorten(user, device_id, self._now() + SETTLING)
        if await self._leases.left(user) <= 0:
            await self._agents.disconnect(user, Cause.DISCONNECTED)
            self._book.forget(user)


class Watchman:
    """Notices who is gone, and keeps what this replica believes in step with the others.

    A deadline in memory only raises a suspicion. The shared bucket, asked at its leader, decides:
    it knows renewals that went to other replicas. While it cannot be asked nobody is gone, and
    after it could not be, everybody has a whole lease to call again.
    """

    def __init__(
        self,
        agents: Agents,
        leases: Leases,
        book: LeaseBook,
        lease: timedelta,
        now: Monotonic,
    ) -> None:
        self._agents, self._leases, self._book = agents, leases, book
        self._lease, self._now = lease.total_seconds(), now
        self._blind = False
        self._few = asyncio.Semaphore(AT_ONCE)

    async def sweep(self) -> None:
        """Disconnect whoever has no lease any more; raises the first failure after all."""
        settled = [self._settle(user) for user in self._book.due(self._now())]
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

    def heard(self, user: Key, device_id: str, age: float) -> None:
        """A lease was taken or renewed, here or elsewhere, `age` seconds ago."""
        left = self._lease - max(age, 0.0)
        if left > 0:
            self._book.renew(user, device_id, self._now() + left)

    def heard_goodbye(self, user: Key, device_id: str) -> None:
        """A device gave its lease back somewhere. Whoever took it tells; if they die, we do."""
        self._book.shorten(user, device_id, self._now() + SETTLING)

    def heard_of(self, presence: Presence) -> None:
        """A presence changed, here or elsewhere.

        A user declared gone while a device of theirs was calling stays in the book: their next
        heartbeat finds them disconnected and connects them.
        """
        user = (presence.tenant_id, presence.user_id)
        now = self._now()
        if presence.connected and user not in self._book:
            self._book.renew(user, GRACE, now + self._lease)
        elif not presence.connected and not self._book.running(user, now):
            self._book.forget(user)

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


class ReadPresences:
    def __init__(self, presences: Presences) -> None:
        self._presences = presences

    async def one(self, tenant_id: str, user_id: str) -> Presence:
        """Return a user's presence; who was never seen is offline."""
        if not is_token(user_id):
            raise UserIdInvalid("Name the user.")
        user = (tenant_id, user_id)
        return await self._presences.read(user) or Presence(*user)

    async def some(self, tenant_id: str, after: str, size: int) -> tuple[Sequence[Presence], str]:
        """Return a page by user id, and the id to go on after; empty on the last page."""
        if size > LARGEST_PAGE:
            raise PageSizeInvalid("Ask for 1 to 200 presences.", most=str(LARGEST_PAGE))
        size = size or USUAL_PAGE
        found = await self._presences.page(tenant_id, after, size + 1)
        more = len(found) > size
        return found[:size], found[size - 1].user_id if more else ""


def _insist_on_device(device_id: str) -> None:
    if not is_token(device_id):
        raise DeviceIdInvalid("A device names itself by 1 to 64 of [A-Za-z0-9_-].")
