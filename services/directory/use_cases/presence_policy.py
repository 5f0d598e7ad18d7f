"""The presence policy of a tenant: one, under the tenant's own id."""

from services.directory.domain.presence_policy import PresencePolicy
from services.directory.domain.slot import Slot

from .ports import Shelf
from .shelves import put


class ReadPresencePolicy:
    """A tenant that has put none has the defaults, with version 0."""

    def __init__(self, policies: Shelf[PresencePolicy]) -> None:
        self._policies = policies

    async def __call__(self, tenant_id: str) -> Slot[PresencePolicy]:
        slot = await self._policies.at(tenant_id, tenant_id)
        return slot if slot.value is not None else slot.holding(PresencePolicy())


class PutPresencePolicy:
    def __init__(self, policies: Shelf[PresencePolicy]) -> None:
        self._policies = policies

    async def __call__(
        self, slot: Slot[PresencePolicy], *, version: int = 0
    ) -> Slot[PresencePolicy]:
        if slot.value is None:
            raise ValueError("A policy to put is needed.")
        policy = slot.value.checked()
        return await put(self._policies, slot.tenant_id, slot.id, version, lambda _: policy)
