"""Which tasks there are, for the service whose work they are: it compares, and mends."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from services.dispatch.domain.errors import Unanswered
from services.dispatch.domain.inputs import Channel
from services.dispatch.domain.state import State

from .ports import Unknown


@dataclass(frozen=True, slots=True)
class Checked:
    """Of the tasks that were asked about: which nobody knows, and since when others are over."""

    unknown: Sequence[str]
    ended: Mapping[str, int]


class Leader(Protocol):
    """Whoever leads the tenant's shard."""

    async def check(self, tenant_id: str, task_ids: Sequence[str]) -> Checked:
        """Say how these stand. Raises Unknown."""
        ...

    async def chats(self, tenant_id: str, after: str, most: int) -> Sequence[str]:
        """Return the ids behind `after` of all that goes on but calls, in order. Raises Unknown."""
        ...


class CheckTasks:
    def __init__(self, leader: Leader) -> None:
        self._leader = leader

    async def __call__(self, tenant_id: str, task_ids: Sequence[str]) -> Checked:
        """Raises Unanswered."""
        try:
            return await self._leader.check(tenant_id, task_ids)
        except Unknown as silence:
            raise Unanswered from silence

    async def chats(self, tenant_id: str, after: str, most: int) -> Sequence[str]:
        """Raises Unanswered."""
        try:
            return await self._leader.chats(tenant_id, after, most)
        except Unknown as silence:
            raise Unanswered from silence


def checked(state: State, tenant_id: str, task_ids: Sequence[str]) -> Checked:
    """Read from the state; a tenant that is only asked about does not come into being."""
    tenant = state.tenants.get(tenant_id)
    if tenant is None:
        return Checked(task_ids, {})
    gone = [task_id for task_id in task_ids if task_id not in tenant.tasks]
    ended = {task_id: tenant.ended[task_id] for task_id in gone if task_id in tenant.ended}
    return Checked([task_id for task_id in gone if task_id not in ended], ended)


class Written:
    """Lists what goes on and is no call: chats, and what of them waits as voicemail.

    Page by page, in the order of the ids. All tasks of a tenant are looked at for the first page,
    and none for the others: a leader has other things to do.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._listed: dict[str, list[str]] = {}

    def page(self, tenant_id: str, after: str, most: int) -> Sequence[str]:
        """Read from the state, as `checked` does."""
        tenant = self._state.tenants.get(tenant_id)
        if tenant is None:
            return ()
        tasks = tenant.tasks
        listed = self._listed.get(tenant_id) if after else None
        if listed is None:
            listed = self._listed[tenant_id] = sorted(
                task_id
                for task_id, task in tasks.items()
                if task.submitted.channel is not Channel.CALL
            )
        behind = range(bisect_right(listed, after), len(listed))
        found = list(islice((listed[at] for at in behind if listed[at] in tasks), most))
        if not found:
            del self._listed[tenant_id]
        return found
