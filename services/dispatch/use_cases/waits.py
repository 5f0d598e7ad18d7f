"""How long a customer will wait, as far as the leader can say."""

from dataclasses import dataclass
from typing import Protocol

from services.dispatch.domain.decisions import Reason
from services.dispatch.domain.errors import Unanswered, refusal
from services.dispatch.domain.estimates import Estimate
from services.dispatch.domain.state import State

from .ports import Unknown


@dataclass(frozen=True, slots=True)
class ExpectedWait:
    """Place in the queue from 1 (0: it rings or is held), and what is foretold, if anything."""

    position: int
    foretold: Estimate | None


class Leader(Protocol):
    """Whoever leads the tenant's shard."""

    async def wait(self, tenant_id: str, task_id: str) -> ExpectedWait | None:
        """Return what the leader says; None for a task it does not know. Raises Unknown."""
        ...


class GetWait:
    def __init__(self, leader: Leader) -> None:
        self._leader = leader

    async def __call__(self, tenant_id: str, task_id: str) -> ExpectedWait:
        """Raises Refusal TASK_NOT_FOUND, Unanswered."""
        try:
            found = await self._leader.wait(tenant_id, task_id)
        except Unknown as silence:
            raise Unanswered from silence
        if found is None:
            raise refusal(Reason.TASK_NOT_FOUND, task_id=task_id)
        return found


def expected_wait(state: State, tenant_id: str, task_id: str, now: int) -> ExpectedWait | None:
    """Read from the state; a tenant that is only asked about does not come into being."""
    tenant = state.tenants.get(tenant_id)
    task = None if tenant is None else tenant.tasks.get(task_id)
    if tenant is None or task is None:
        return None
    return ExpectedWait(tenant.lines.rank(task_id), tenant.foretell(task, max(now, state.at)))
