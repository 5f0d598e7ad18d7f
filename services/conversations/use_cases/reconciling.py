"""Open conversations and the router's tasks are compared, and what has come apart is mended.

Each hears of the other by events, and whatever keeps one from being heard for good (a dead letter,
a restored backup, a fault of ours) would leave a customer waiting for nobody. Every replica looks;
what they do is conditional, or changes nothing the second time.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.errors import ConversationNotFound, Stale
from services.kernel.again import again_if
from services.kernel.clock import Clock

from .continuing import Continue
from .following import EndWithTask
from .ports import Conversations

AT_ONCE = 500


class Mend(Enum):
    """What was done about it, as metrics and logs name it."""

    ANNOUNCED = "announced"
    ENDED = "ended"
    CLOSE_TOLD = "close told"
    CONTINUED = "continued"


@dataclass(frozen=True, slots=True)
class Checked:
    """Of the tasks that were asked about: which are unknown, and since when others are over."""

    unknown: Sequence[str]
    ended: Mapping[str, datetime]


class Tasks(Protocol):
    """The router. Whatever it raises, this comparison ends: the next one asks again."""

    async def check(self, tenant_id: str, task_ids: Sequence[str]) -> Checked: ...

    def chats(self, tenant_id: str) -> AsyncIterator[Sequence[str]]:
        """Yield the ids of the chats that go on, a page at a time."""
        ...


class Mended(Protocol):
    def __call__(self, mend: Mend, tenant_id: str, conversation_id: str) -> None: ...


class Reconcile:
    """One comparison. `patience` is how long an event may be on its way."""

    def __init__(  # noqa: PLR0913, PLR0917 - its ports
        self,
        conversations: Conversations,
        tasks: Tasks,
        end: EndWithTask,
        go_on: Continue,
        tenants: Callable[[], Sequence[str]],
        mended: Mended,
        clock: Clock,
        patience: timedelta,
    ) -> None:
        self._conversations = conversations
        self._tasks = tasks
        self._end = end
        self._go_on = go_on
        self._tenants = tenants
        self._mended = mended
        self._clock = clock
        self._patience = patience

    async def __call__(self) -> None:
        """Compare all there are. Raises at the end, together, what kept some from it."""
        troubles: list[Exception] = []
        long_ago = self._clock() - self._patience
        async for some in self._conversations.open_since(long_ago, AT_ONCE):
            by_tenant: defaultdict[str, list[str]] = defaultdict(list)
            for tenant_id, conversation_id in some:
                by_tenant[tenant_id].append(conversation_id)
            for tenant_id, ids in by_tenant.items():
                with _kept_for_later(troubles):
                    await self._give_tasks(tenant_id, ids, troubles)
        for tenant_id in self._tenants():
            with _kept_for_later(troubles):
                async for page in self._tasks.chats(tenant_id):
                    await self._end_tasks(tenant_id, page, long_ago)
        for it in await self._conversations.crossing(AT_ONCE):
            with _kept_for_later(troubles):
                if _closed_before(it, long_ago) and await self._go_on(it):
                    self._mended(Mend.CONTINUED, it.lane.tenant_id, it.id)
        if troubles:
            raise ExceptionGroup("not compared", troubles)

    async def _give_tasks(
        self, tenant_id: str, ids: Sequence[str], troubles: list[Exception]
    ) -> None:
        """See that each of these open conversations has a task that goes on."""
        found = await self._tasks.check(tenant_id, ids)
        for conversation_id in found.unknown:
            with _kept_for_later(troubles):
                await self._announce(tenant_id, conversation_id)
        for conversation_id, ended_at in found.ended.items():
            with _kept_for_later(troubles):
                if self._clock() - ended_at > self._patience:
                    await self._end(tenant_id, conversation_id, ended_at)
                    self._mended(Mend.ENDED, tenant_id, conversation_id)

    @again_if(Stale)
    async def _announce(self, tenant_id: str, conversation_id: str) -> None:
        try:
            it = await self._conversations.get(tenant_id, conversation_id)
        except ConversationNotFound:  # erased meanwhile
            return
        if it.closed is None:
            await self._conversations.save(it, *it.announce())
            self._mended(Mend.ANNOUNCED, tenant_id, conversation_id)

    async def _end_tasks(self, tenant_id: str, task_ids: Sequence[str], long_ago: datetime) -> None:
        """See that each of these tasks has a conversation that goes on, or none of ours."""
        for it in await self._conversations.closed_among(tenant_id, task_ids):
            if _closed_before(it, long_ago):
                await self._conversations.tell_close(it)
                self._mended(Mend.CLOSE_TOLD, tenant_id, it.id)


@contextmanager
def _kept_for_later(troubles: list[Exception]) -> Iterator[None]:
    """Let what is wrong with one hold up none of the others."""
    try:
        yield
    except Exception as trouble:  # noqa: BLE001 - raised in the end
        troubles.append(trouble)


def _closed_before(it: Conversation, moment: datetime) -> bool:
    return it.closed is not None and it.closed.at < moment
