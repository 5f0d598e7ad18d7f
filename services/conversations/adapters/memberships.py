"""Which queues a user answers, as the directory tells it: from the bus alone, in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from centralita.directory.v1.events_pb2 import UserChanged

from services.kernel.bus import Bus
from services.kernel.projection import Renew, projecting

_NONE: frozenset[str] = frozenset()


class Memberships:
    renew: Renew

    def __init__(self) -> None:
        self._users: dict[tuple[str, str], tuple[int, frozenset[str]]] = {}

    def queues_of(self, tenant_id: str, user_id: str) -> frozenset[str]:
        """Return the ids of the user's queues; none for a user who is not there."""
        return self._users.get((tenant_id, user_id), (0, _NONE))[1]

    def tenants(self) -> list[str]:
        """Return every tenant that has, or had, a user."""
        return sorted({tenant_id for tenant_id, _ in self._users})

    def note(self, event: UserChanged) -> None:
        """Take a user's state unless something newer is known. A removed user stays as one."""
        key = (event.tenant_id, event.user_id)
        if event.version > self._users.get(key, (0, _NONE))[0]:
            self._users[key] = (event.version, frozenset(event.queue_ids))


@asynccontextmanager
async def memberships(bus: Bus) -> AsyncIterator[Memberships]:
    """Follow the directory. Entered once all that it has said so far is known."""
    known = Memberships()
    async with projecting(bus, "DIRECTORY", {UserChanged: known.note}) as known.renew:
        yield known
