"""What has to be out of the way before a queue or a group can be removed."""

from collections.abc import Callable
from typing import Protocol

from services.dispatch.domain.errors import Unanswered
from services.dispatch.domain.removal import WorkCount, count_work
from services.dispatch.domain.state import State
from services.dispatch.domain.vacate import Vacate

from .commands import Ask
from .ports import Unknown


class Leader(Protocol):
    """Whoever leads the tenant's shard."""

    async def work(self, tenant_id: str, queue_id: str, group_id: str) -> WorkCount:
        """Count what is in a queue, or at a group. Raises Unknown."""
        ...


class CountWork:
    def __init__(self, leader: Leader) -> None:
        self._leader = leader

    async def __call__(self, tenant_id: str, queue_id: str, group_id: str) -> WorkCount:
        """Raises Unanswered."""
        try:
            return await self._leader.work(tenant_id, queue_id, group_id)
        except Unknown as silence:
            raise Unanswered from silence


class VacatePlace:
    def __init__(self, ask: Ask, count_work: CountWork) -> None:
        self._ask = ask
        self._count_work = count_work

    async def __call__(self, command: Callable[[str], Vacate]) -> WorkCount:
        """Move what one step can and count what is left. Raises Refusal, Unanswered."""
        await self._ask(command)
        it = command("")
        return await self._count_work(it.tenant_id, it.queue_id, it.group_id)


def work_in(state: State, tenant_id: str, queue_id: str, group_id: str) -> WorkCount:
    """Read from the state; a tenant that is only asked about does not come into being."""
    tenant = state.tenants.get(tenant_id)
    return WorkCount() if tenant is None else count_work(tenant, queue_id, group_id)
