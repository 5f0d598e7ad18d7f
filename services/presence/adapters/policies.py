"""The tenants' policies, kept in memory from the directory's stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial

from centralita.directory.v1.events_pb2 import PresencePolicyChanged

from services.kernel.bus import Bus
from services.kernel.ending import ended
from services.kernel.tail import Tailed, heard, tail
from services.kernel.unreadable import understood
from services.kernel.wire import filter_for
from services.presence.domain.bans import USUAL, Policy
from services.presence.messages import policy_of

STREAM = "DIRECTORY"


class KnownPolicies:
    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Policy]] = {}

    def of(self, tenant_id: str) -> Policy:
        return self._known.get(tenant_id, (0, USUAL))[1]

    def take(self, event: PresencePolicyChanged) -> None:
        """Keep a policy, unless a newer one is known."""
        version, _ = self._known.get(event.tenant_id, (0, USUAL))
        if event.version >= version:
            self._known[event.tenant_id] = event.version, policy_of(event)


@asynccontextmanager
async def following_policies(bus: Bus) -> AsyncIterator[KnownPolicies]:
    """Keep every tenant's policy at hand; yields when all there are have been read."""
    policies, caught_up = KnownPolicies(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:  # a reader that fails takes the service with it
        reading = tasks.create_task(_read(bus, policies, caught_up))
        try:
            await caught_up.wait()
            yield policies
        finally:
            await ended(reading)


async def _read(bus: Bus, policies: KnownPolicies, caught_up: asyncio.Event) -> None:
    subjects = [filter_for(PresencePolicyChanged)]
    changes = tail(bus, STREAM, subjects=subjects, last_per_subject=True)
    async with aclosing(changes) as batches:
        async for batch in batches:
            _take(batch, policies)
            if not batch or batch[-1].pending == 0:
                caught_up.set()


def _take(batch: Sequence[Tailed], policies: KnownPolicies) -> None:
    for one in batch:
        if (event := heard(PresencePolicyChanged, STREAM, one)) is not None:
            understood(STREAM, partial(policies.take, event), sequence=one.sequence)
