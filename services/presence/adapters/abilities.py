"""What agents can be given, kept in memory from the directory's stream."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from centralita.directory.v1.events_pb2 import GroupChanged, UserChanged

from services.kernel.bus import Bus
from services.kernel.projection import Takers, projecting
from services.presence.domain.eligibility import Ability
from services.presence.domain.leases import Key
from services.presence.messages import ability_of

_UNKNOWN = Ability()


class KnownAbilities:
    def __init__(self) -> None:
        self._users: dict[Key, tuple[int, Ability]] = {}
        self._groups: dict[Key, tuple[int, frozenset[str]]] = {}
        self._memberships: Counter[Key] = Counter()

    def of(self, user: Key) -> Ability:
        """Return what somebody can be given. Whom the directory does not know nothing reaches."""
        ability = self._users.get(user, (0, _UNKNOWN))[1]
        return replace(ability, reached=True) if user in self._memberships else ability

    def take_user(self, event: UserChanged) -> None:
        """Keep a user's settings, unless newer ones are known."""
        user = (event.tenant_id, event.user_id)
        if event.version >= self._users.get(user, (0, _UNKNOWN))[0]:
            self._users[user] = event.version, ability_of(event)

    def take_group(self, event: GroupChanged) -> None:
        """Keep who belongs to a group, unless something newer is known."""
        group = (event.tenant_id, event.group_id)
        version, before = self._groups.get(group, (0, frozenset()))
        if event.version >= version:
            members = frozenset(event.group.user_ids)
            self._groups[group] = event.version, members
            self._memberships.update((event.tenant_id, it) for it in members - before)
            for user_id in before - members:
                self._leave((event.tenant_id, user_id))

    def _leave(self, user: Key) -> None:
        self._memberships[user] -= 1
        if not self._memberships[user]:
            del self._memberships[user]


@asynccontextmanager
async def following_abilities(bus: Bus) -> AsyncIterator[KnownAbilities]:
    """Keep every user's at hand; yields when all there are have been read."""
    known = KnownAbilities()
    takers: Takers = {UserChanged: known.take_user, GroupChanged: known.take_group}
    async with projecting(bus, "DIRECTORY", takers):
        yield known
