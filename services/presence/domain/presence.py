"""Whether an agent is there and willing: facts kept apart, and the badge that follows from them.

*Connection* is what the devices' leases say, *intent* is what the agent chose. Neither is ever
derived from the other: a second device, a reload or a cut in the network chooses nothing. What
dispatch and voice know (occupancy) and what an agent may do (eligibility) will stand beside them.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum

from .errors import NotConnected


class Status(IntEnum):
    """What the badge shows. The numbers are those of the public contract."""

    OFFLINE = 1
    ONLINE = 2
    READY = 3


class Cause(IntEnum):
    """Why the presence changed. The numbers are those of the public contract."""

    NEVER_SEEN = 0
    CONNECTED = 1
    DISCONNECTED = 2
    LEASE_EXPIRED = 3
    CHOSEN = 4


def badge(*, connected: bool, receive_new: bool) -> Status:
    """Derive the status: who is not connected is offline, whatever they chose."""
    if not connected:
        return Status.OFFLINE
    return Status.READY if receive_new else Status.ONLINE


@dataclass(frozen=True, slots=True)
class Presence:
    """One agent. `since` is when the status began to show, `left_at` when the last lease ended."""

    tenant_id: str
    user_id: str
    connected: bool = False
    receive_new: bool = False
    since: datetime | None = None
    left_at: datetime | None = None
    cause: Cause = Cause.NEVER_SEEN
    version: int = 0

    @property
    def status(self) -> Status:
        return badge(connected=self.connected, receive_new=self.receive_new)

    def connect(self, now: datetime, keep_choice: timedelta) -> "Presence":
        """A device is there. The choice survives an absence shorter than `keep_choice`.

        Who comes back later has begun anew: Online, not Ready, so that nobody is offered work
        because of what they chose before they went home.
        """
        if self.connected:
            return self
        short = self.left_at is not None and now - self.left_at < keep_choice
        back = replace(self, connected=True, receive_new=self.receive_new and short, left_at=None)
        return self._after(back, now, Cause.CONNECTED)

    def disconnect(self, now: datetime, cause: Cause) -> "Presence":
        """The last lease is gone."""
        if not self.connected:
            return self
        return self._after(replace(self, connected=False, left_at=now), now, cause)

    def choose(self, now: datetime, *, receive_new: bool) -> "Presence":
        """The agent switched receiving new work; raises NotConnected without a lease."""
        if not self.connected:
            raise NotConnected("Connect first: send a heartbeat.")
        if receive_new == self.receive_new:
            return self
        return self._after(replace(self, receive_new=receive_new), now, Cause.CHOSEN)

    def _after(self, after: "Presence", now: datetime, cause: Cause) -> "Presence":
        since = self.since if after.status is self.status and self.since else now
        return replace(after, since=since, cause=cause, version=self.version + 1)
