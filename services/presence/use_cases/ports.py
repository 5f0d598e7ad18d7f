"""What the use cases need of the world."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from services.presence.domain.bans import Policy
from services.presence.domain.calls import Call
from services.presence.domain.eligibility import Ability
from services.presence.domain.history import Change
from services.presence.domain.leases import Key
from services.presence.domain.presence import Presence
from services.presence.domain.status import Stage

Monotonic = Callable[[], float]

IsOver = Callable[[Key, str], bool]
"""Whether a user may call no more with tokens of this sign-in, as far as is known by now."""


class Presences(Protocol):
    def recalled(self, user: Key) -> Presence | None:
        """What this process wrote or heard last, at no cost."""
        ...

    async def read(self, user: Key) -> Presence | None: ...

    async def save(self, before: Presence, after: Presence) -> None:
        """Write, announce and put down `after` if the store still has `before`, or raise Stale."""
        ...

    async def page(self, tenant_id: str, after: str, size: int) -> Sequence[Presence]: ...

    async def cooled(self, now: datetime, most: int) -> Sequence[Key]:
        """Whose ban ends by itself before now."""
        ...


class Policies(Protocol):
    def of(self, tenant_id: str) -> Policy:
        """Return the policy of a tenant, or the defaults."""
        ...

    async def renew(self, tenant_id: str) -> None:
        """Take what was said of it in the last moments, before a refusal that rests on it."""
        ...


class Abilities(Protocol):
    def of(self, user: Key) -> Ability:
        """Return what somebody can be given, at no cost."""
        ...


class Leases(Protocol):
    """The leases all replicas share."""

    async def take(self, user: Key, device_id: str, session_id: str) -> None:
        """Store a first lease. An outage is no error: the next renewal stores it."""
        ...

    def renew(self, user: Key, device_id: str, session_id: str) -> None:
        """Store a renewal soon; nobody waits for it."""
        ...

    async def give_back(self, user: Key, device_id: str) -> None:
        """Remove a lease, or raise LeasesUnknown."""
        ...

    async def take_back(self, user: Key, device_id: str, session_id: str) -> bool:
        """Remove a lease of this sign-in, or raise LeasesUnknown.

        False when the device has taken it with another sign-in since: then it stays.
        """
        ...

    async def end(self, user: Key) -> None:
        """Remove all leases of a user, or raise LeasesUnknown."""
        ...

    async def left(self, user: Key) -> float:
        """Seconds until the last of the user's leases ends, 0 without one; or LeasesUnknown."""
        ...


class Calls(Protocol):
    async def read(self, task: Key) -> Call | None:
        """Read a call by its tenant and task."""
        ...

    async def save(self, before: Call, after: Call) -> None:
        """Write `after` if the store still has `before`, or raise Stale."""
        ...

    async def stage_of(self, user: Key) -> Stage:
        """How far an agent is with all their calls together."""
        ...


class History(Protocol):
    """All changes there were; a user's last one may still be on its way."""

    async def keep(self, change: Change) -> None:
        """Store a change, unless it is known to be. Repeatable at any point by anyone."""
        ...

    async def forget(self, user: Key, before_version: int) -> None:
        """Remove the changes of a user before this one."""
        ...

    async def newest(
        self, user: Key, before_version: int, before: datetime | None, most: int
    ) -> Sequence[Change]:
        """Changes older than these, newest first."""
        ...

    async def since(self, user: Key, begins: datetime, ends: datetime) -> Sequence[Change]:
        """In order, what showed at `begins` and the changes until `ends`."""
        ...
