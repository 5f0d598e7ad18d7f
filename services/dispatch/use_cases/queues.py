"""How a queue stands at this moment, for those who rule it."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from services.dispatch.domain.decisions import Reason
from services.dispatch.domain.errors import Unanswered, refusal
from services.dispatch.domain.estimates import Estimate
from services.dispatch.domain.inputs import QueueMode, Role
from services.dispatch.domain.state import State
from services.dispatch.domain.supervision import supervises

from .ports import Directory, Unknown

LOOKS, LOOK_EVERY_S = 10, 0.05
"""How often, and after how long each time, a leader that was told news is asked again."""


@dataclass(frozen=True, slots=True)
class Asker:
    user_id: str
    role: Role


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """Moments are milliseconds since 1970 UTC; 0: none."""

    mode: QueueMode
    is_open: bool
    turns_at: int
    waiting: int
    first_since: int
    agents_there: int
    foretold: Estimate | None
    """Of the last in line; None when nobody waits, or nobody can say."""


class Leader(Protocol):
    """Whoever leads the tenant's shard."""

    async def queue(self, tenant_id: str, queue_id: str, asker: Asker) -> QueueStatus | Reason:
        """Return what the leader says, or why it does not. Raises Unknown."""
        ...


class GetQueueStatus:
    """A queue, or a supervisor, that was put just before is told to the leader before a refusal."""

    def __init__(self, leader: Leader, directory: Directory) -> None:
        self._leader = leader
        self._directory = directory

    async def __call__(self, tenant_id: str, queue_id: str, asker: Asker) -> QueueStatus:
        """Raises Refusal QUEUE_NOT_FOUND or QUEUE_NOT_YOURS, Unanswered."""
        try:
            found = await self._leader.queue(tenant_id, queue_id, asker)
            if isinstance(found, Reason) and await self._directory.tell_news(tenant_id):
                found = await self._once_heard(tenant_id, queue_id, asker)
        except Unknown as silence:
            raise Unanswered from silence
        if isinstance(found, Reason):
            raise refusal(found, queue_id=queue_id)
        return found

    async def _once_heard(
        self, tenant_id: str, queue_id: str, asker: Asker
    ) -> QueueStatus | Reason:
        """Ask until the leader has decided on the news. What it says then is final."""
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_EVERY_S)
            found = await self._leader.queue(tenant_id, queue_id, asker)
            if not isinstance(found, Reason):
                break
        return found


def status(
    state: State, tenant_id: str, queue_id: str, asker: Asker, now: int
) -> QueueStatus | Reason:
    """Read from the state; a tenant that is only asked about does not come into being."""
    tenant = state.tenants.get(tenant_id)
    if tenant is None or not tenant.has_queue(queue_id):
        return Reason.QUEUE_NOT_FOUND
    if not supervises(tenant, asker.user_id, asker.role, queue_id):
        return Reason.QUEUE_NOT_YOURS
    hours = tenant.hours.get(queue_id)
    first, last = tenant.lines.ends(queue_id)
    return QueueStatus(
        mode=tenant.modes.get(queue_id, QueueMode.OPEN),
        is_open=hours is None or hours.is_open,
        turns_at=0 if hours is None else hours.foreseen_turn,
        waiting=tenant.lines.length(queue_id),
        first_since=tenant.tasks[first].submitted.enqueued_at if first else 0,
        agents_there=tenant.staff.of(queue_id),
        foretold=tenant.foretell(tenant.tasks[last], max(now, state.at)) if last else None,
    )
