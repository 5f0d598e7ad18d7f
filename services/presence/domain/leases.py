"""Until when each device is believed to be there. Moments are seconds of a monotonic clock."""

from heapq import heappop, heappush

Key = tuple[str, str]
"""Tenant and user."""

GRACE = ""
"""Stands for the devices of a user that this replica has not heard of yet."""


class LeaseBook:
    """The deadlines this replica knows. A user stays in it until they are disconnected.

    A renewal is a few dictionary steps: each user stands in the heap once, and is moved only when
    they come up, so that watching does not cost more the more often devices call.
    """

    def __init__(self) -> None:
        self._leases: dict[Key, dict[str, float]] = {}
        self._sessions: dict[Key, dict[str, str]] = {}
        self._heap: list[tuple[float, Key]] = []
        self._queued: dict[Key, float] = {}

    def __contains__(self, user: Key) -> bool:
        return user in self._leases

    def renew(self, user: Key, device_id: str, until: float, *, now: float = 0.0) -> bool:
        """Move a deadline, never to an earlier moment. True if the lease was running at `now`."""
        devices = self._leases.setdefault(user, {})
        known = devices.get(device_id)
        if known is None or until > known:
            devices[device_id] = until
        if user not in self._queued:
            self._queue(user, until)
        return known is not None and known > now

    def bind(self, user: Key, device_id: str, session_id: str) -> None:
        """The device calls with tokens of this sign-in."""
        self._sessions.setdefault(user, {})[device_id] = session_id

    def devices_of(self, user: Key, session_id: str) -> list[str]:
        """List the devices that called last with tokens of this sign-in."""
        bound = self._sessions.get(user, {}).items()
        return [device_id for device_id, session in bound if session == session_id]

    def shorten(self, user: Key, device_id: str, until: float) -> None:
        """A device gave its lease back: look at its user at `until`, unless others hold one."""
        devices = self._leases.get(user, {})
        if device_id in devices:
            devices[device_id] = min(until, devices[device_id])
            self._queue(user, until)

    def running(self, user: Key, now: float) -> bool:
        """Whether some device's lease has not ended, as far as this replica knows."""
        return any(until > now for until in self._leases.get(user, {}).values())

    def forget(self, user: Key) -> None:
        """The user is disconnected."""
        self._leases.pop(user, None)
        self._sessions.pop(user, None)
        self._queued.pop(user, None)

    def due(self, now: float) -> list[Key]:
        """Users without a running lease. Whoever asked settles each: renews or forgets it."""
        found: list[Key] = []
        while self._heap and self._heap[0][0] <= now:
            until, user = heappop(self._heap)
            if self._queued.get(user) != until:
                continue  # moved, or gone
            del self._queued[user]
            devices = self._leases[user]
            last = max(devices.values())
            if last > now:
                left = {one: at for one, at in devices.items() if at > now}
                self._leases[user] = left
                if bound := self._sessions.get(user):
                    self._sessions[user] = {one: bound[one] for one in left if one in bound}
                self._queue(user, last)
            else:
                found.append(user)
        return found

    def look_again(self, user: Key, at: float) -> None:
        """Make a user come up again, unless they were forgotten."""
        if user in self._leases:
            self._queue(user, at)

    def grace(self, until: float) -> None:
        """Nobody ends before `until`: for a while nobody could renew."""
        for user, devices in self._leases.items():
            for device_id, known in devices.items():
                devices[device_id] = max(known, until)
            if user not in self._queued:
                self._queue(user, until)

    def _queue(self, user: Key, until: float) -> None:
        queued = self._queued.get(user)
        if queued is None or until < queued:
            self._queued[user] = until
            heappush(self._heap, (until, user))
