"""What follows from decisions of others: who works a conversation, its end, a reply's fate."""

from datetime import datetime

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.errors import ConversationNotFound, Stale
from services.conversations.domain.message import Delivery, Seen, farewell_id
from services.kernel.again import again_if
from services.kernel.clock import Clock

from .continuing import Continue
from .ports import Conversations, Messages
from .staging import StoreStaged
from .waiting import Facts


class NoteTask:
    """Keep who holds the conversation, or that it waits again (`assignee_id` empty).

    A task we do not know is a call, or another kind of work: a conversation's document is always
    there before its task, because the task is made of the event in that document.
    """

    def __init__(self, conversations: Conversations, facts: Facts) -> None:
        self._conversations = conversations
        self._facts = facts

    async def __call__(
        self, tenant_id: str, task_id: str, revision: int, queue_id: str, assignee_id: str
    ) -> None:
        await self._conversations.note_task(tenant_id, task_id, revision, queue_id, assignee_id)
        self._facts.noted(task_id)


class EndWithTask:
    """A task that is over closes its conversation, if the conversation has not ended the task.

    The customer is told `farewell` first, when there is one. What arrived after `decided_at` is
    for somebody else to see.
    """

    def __init__(
        self,
        conversations: Conversations,
        messages: Messages,
        store: StoreStaged,
        go_on: Continue,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._store = store
        self._go_on = go_on
        self._clock = clock

    async def __call__(
        self,
        tenant_id: str,
        task_id: str,
        decided_at: datetime,
        *,
        by: str = "",
        farewell: str = "",
    ) -> None:
        it = await self._end(tenant_id, task_id, decided_at, by, farewell)
        if it is not None:
            await self._go_on(it)

    @again_if(Stale)
    async def _end(
        self, tenant_id: str, task_id: str, decided_at: datetime, by: str, farewell: str
    ) -> Conversation | None:
        """Return it as it is closed; None where there is nothing to end."""
        try:
            it = await self._conversations.get(tenant_id, task_id)
        except ConversationNotFound:
            return None  # not a conversation, as in NoteTask
        if it.closed:
            return it
        if farewell and not await self._said(it):
            events = it.take_leave(farewell, self._clock())
            await self._conversations.save(it, *events)
            it = it.apply(*events)
        # What is staged is stored first: nobody looks for messages in a closed document.
        await self._store.now(it, it.staged)
        crossed = await self._go_on.unseen(it, Seen(until=decided_at))
        events = it.close(by, "", self._clock(), crossed)
        await self._conversations.save(it, *events)
        return it.apply(*events)

    async def _said(self, it: Conversation) -> bool:
        message_id = farewell_id(it.lane.tenant_id, it.id)
        if it.holds(message_id):
            return True
        return await self._messages.get(it.lane.tenant_id, message_id) is not None


class MergeDelivery:
    """Keep the furthest a reply has come."""

    def __init__(
        self, conversations: Conversations, messages: Messages, store: StoreStaged
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._store = store

    async def __call__(
        self, tenant_id: str, conversation_id: str, message_id: str, delivery: Delivery, cause: str
    ) -> None:
        if delivery is Delivery.UNKNOWN:
            return
        if await self._messages.merge_delivery(tenant_id, message_id, delivery, cause):
            return
        # Not lower, or not a document yet: the report may be faster than the one who stores.
        try:
            it = await self._conversations.get(tenant_id, conversation_id)
        except ConversationNotFound:
            return
        if staged := it.holds(message_id):
            await self._store.now(it, [staged])
        await self._messages.merge_delivery(tenant_id, message_id, delivery, cause)
