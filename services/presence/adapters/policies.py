"""The tenants' policies, kept in memory from the directory's stream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from centralita.directory.v1.events_pb2 import PresencePolicyChanged

from services.kernel.bus import Bus
from services.kernel.projection import Renew, Takers, projecting
from services.presence.domain.bans import USUAL, Policy
from services.presence.messages import policy_of


class KnownPolicies:
    renew: Renew

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
    known = KnownPolicies()
    takers: Takers = {PresencePolicyChanged: known.take}
    async with projecting(bus, "DIRECTORY", takers) as known.renew:
        yield known
