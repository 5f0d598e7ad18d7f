"""Which queues a user answers, as the directory tells it: from the bus alone, in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from centralita.directory.v1.events_pb2 import UserChanged

from services.kernel.bus import Bus
from services.kernel.ending import ended
from services.kernel.tail import Tailed, heard, tail
from services.kernel.wire import filter_for

STREAM = "DIRECTORY"
_NONE: frozenset[str] = frozenset()


class Memberships:
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
    known, caught_up = Memberships(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:  # a reader that fails takes the service with it
        following = tasks.create_task(_follow(bus, known, caught_up))
        try:
            await caught_up.wait()
            yield known
        finally:
            await ended(following)


async def _follow(bus: Bus, known: Memberships, caught_up: asyncio.Event) -> None:
    batches = tail(bus, STREAM, subjects=[filter_for(UserChanged)], last_per_subject=True)
    async with aclosing(batches):
        async for batch in batches:
            for each in batch:
                _note(known, each)
            if _is_whole(batch):
                caught_up.set()


def _note(known: Memberships, each: Tailed) -> None:
    if (event := heard(UserChanged, STREAM, each)) is not None:
        known.note(event)


def _is_whole(batch: Sequence[Tailed]) -> bool:
    return not batch or batch[-1].pending == 0
