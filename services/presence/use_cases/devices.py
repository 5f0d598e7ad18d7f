"""A device calls, or says goodbye."""

from datetime import timedelta

from services.kernel.ids import is_token
from services.presence.domain.errors import DeviceIdInvalid
from services.presence.domain.leases import Key, LeaseBook
from services.presence.domain.presence import Presence
from services.presence.domain.status import Cause

from .agents import Agents
from .ports import History, Leases, Monotonic, Presences

SETTLING = 1.0
"""Seconds in which the replica a device said goodbye to has told the rest."""


class Heartbeat:
    """Take or renew the lease of a device.

    A renewal touches memory, and its message goes out with those of the same moment. The store is
    asked only when the agent is not known to be connected. What is answered may be milliseconds
    behind what happened at another replica, and its version tells; should the agent be declared
    gone there in these milliseconds, the watchman finds the lease and connects them.
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
        self.lease, self._now = lease, now

    async def __call__(
        self, user: Key, device_id: str, session_id: str = "", user_version: int = 0
    ) -> Presence:
        _insist_on_device(device_id)
        now = self._now()
        known = self._book.renew(user, device_id, now + self.lease.total_seconds(), now=now)
        self._book.bind(user, device_id, session_id)
        if known:
            self._leases.renew(user, device_id, session_id)
        else:
            await self._leases.take(user, device_id, session_id)
        return self._agents.connected(user) or await self._agents.connect(user, user_version)


class Disconnect:
    """Give a lease back. The agent stays connected while another device holds one."""

    def __init__(self, agents: Agents, leases: Leases, book: LeaseBook, now: Monotonic) -> None:
        self._agents, self._leases, self._book, self._now = agents, leases, book, now

    async def __call__(self, user: Key, device_id: str) -> None:
        _insist_on_device(device_id)
        await self._leases.give_back(user, device_id)
        await self._settle(user, device_id)

    async def signed_out(self, user: Key, device_id: str, session_id: str) -> None:
        """The sign-in with which the device called is over, unless it called with another since."""
        if await self._leases.take_back(user, device_id, session_id):
            await self._settle(user, device_id)

    async def _settle(self, user: Key, device_id: str) -> None:
        # From here on the sweep would finish what an interrupted goodbye began.
        self._book.shorten(user, device_id, self._now() + SETTLING)
        if await self._leases.left(user) <= 0:
            await self._agents.disconnect(user, Cause.DISCONNECTED)
            self._book.forget(user)


def _insist_on_device(device_id: str) -> None:
    if not is_token(device_id):
        raise DeviceIdInvalid("A device names itself by 1 to 64 of [A-Za-z0-9_-].")


class EndUser:
    """A user was removed: their leases end, and nothing is left of what they chose and did.

    Repeatable, and harmless to who was given the same id since: `user_version` is the removal's,
    which is told again with every later change of them.
    """

    def __init__(
        self, agents: Agents, presences: Presences, leases: Leases, history: History
    ) -> None:
        self._agents, self._presences = agents, presences
        self._leases, self._history = leases, history

    async def __call__(self, user: Key, user_version: int) -> None:
        before = await self._presences.read(user)
        if before is None or before.user_version > user_version:
            return
        if before.user_version < user_version:
            await self._leases.end(user)
        after = await self._agents.end(user, user_version)
        if after.left_by(user_version):
            await self._history.forget(user, after.version)
