"""A token says who somebody was; whether they still are is heard from the directory.

Tokens live a quarter of an hour and cannot be taken back. So every service keeps in memory what the
directory has said since: who was removed, who is of a lower rank now, who signed out.
"""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from centralita.directory.v1.events_pb2 import SessionEnded, UserChanged
from centralita.options.v1.options_pb2 import Role

from .bus import Bus
from .callers import Caller, TokenRevoked
from .projection import Takers, projecting

LONGEST_TOKEN = 86_400.0
"""Seconds for which an ended session is remembered: longer than any token of it."""


@dataclass(frozen=True, slots=True)
class Known:
    """A user as of one version; `incarnation` is the version with which they were made."""

    version: int
    incarnation: int
    role: Role.ValueType
    removed: bool

    def judge(self, who: Caller) -> Caller:
        """Return the caller with their present rank; TokenRevoked when it is not them any more.

        A token that is as new as what is known is right by itself. One that does not say how new
        it is was signed by another issuer, which may know users that the directory does not; it is
        taken to speak of the user as known.
        """
        said = who.user_version
        if said is not None and said >= self.version:
            return who
        if self.removed or (said is not None and said < self.incarnation):
            raise revoked()
        if said is None:
            who = replace(who, user_version=self.version)
        lower = self.role and self.role < who.role
        return replace(who, role=self.role) if lower else who


class Standing(Protocol):
    async def of(self, who: Caller) -> Caller:
        """Return the caller with the rank they have now, or raise TokenRevoked."""
        ...


class Unheard:
    """Nobody tells: tokens are believed until they end."""

    async def of(self, who: Caller) -> Caller:
        return who


class HeardStanding:
    """What the directory has said on the bus."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._users: dict[tuple[str, str], Known] = {}
        self._ended: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._listeners: list[Callable[[SessionEnded], None]] = []

    async def of(self, who: Caller) -> Caller:
        if self.has_ended(who.tenant_id, who.session_id):
            raise revoked()
        known = self._users.get((who.tenant_id, who.user_id))
        return who if known is None else known.judge(who)

    def has_ended(self, tenant_id: str, session_id: str) -> bool:
        """Tell whether a session is over of which tokens may still be about."""
        return (tenant_id, session_id) in self._ended

    def on_session_ended(self, listener: Callable[[SessionEnded], None]) -> None:
        """Call `listener` with each session that ends from now on, once its tokens are refused."""
        self._listeners.append(listener)

    def is_over(self, user: tuple[str, str], session_id: str) -> bool:
        """Tell whether the session has ended, or there was such a user and is no more."""
        known = self._users.get(user)
        return self.has_ended(user[0], session_id) or (known is not None and known.removed)

    def user_changed(self, event: UserChanged) -> None:
        key = event.tenant_id, event.user_id
        known = self._users.get(key)
        if known is None or event.version > known.version:
            self._users[key] = Known(event.version, event.incarnation, event.role, event.removed)

    def session_ended(self, event: SessionEnded) -> None:
        now = self._now()
        self._ended[event.tenant_id, event.session_id] = now + LONGEST_TOKEN
        while self._ended[oldest := next(iter(self._ended))] <= now:
            del self._ended[oldest]
        for listener in self._listeners:
            listener(event)


def revoked() -> TokenRevoked:
    return TokenRevoked("The session has ended, or its user was removed. Sign in again.")


@asynccontextmanager
async def hearing_standing(bus: Bus) -> AsyncIterator[HeardStanding]:
    """Follow the directory. Entered once all that it has said so far is known."""
    standing = HeardStanding()
    takers: Takers = {
        UserChanged: standing.user_changed,
        SessionEnded: standing.session_ended,
    }
    async with projecting(bus, "DIRECTORY", takers):
        yield standing
