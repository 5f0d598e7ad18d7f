"""What follows from decisions of others: who works a conversation, its end, a reply's fate."""

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.errors import ConversationNotFound, Stale
from services.conversations.domain.message import Delivery, farewell_id
from services.kernel.again import again_if
from services.kernel.clock import Clock

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

    The customer is told `farewell` first, when there is one.
    """

    def __init__(
        self, conversations: Conversations, messages: Messages, store: StoreStaged, clock: Clock
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._store = store
        self._clock = clock

    @again_if(Stale)
    async def __call__(self, tenant_id: str, task_id: str, farewell: str = "") -> None:
        try:
            it = await self._conversations.get(tenant_id, task_id)
        except ConversationNotFound:
            return  # not a conversation, as in NoteTask
        if it.closed:
            return
        if farewell and not await self._said(it):
            events = it.take_leave(farewell, self._clock())
            await self._conversations.save(it, *events)
            it = it.apply(*events)
        # What is staged is stored first: nobody looks for messages in a closed document.
        await self._store.now(it, it.staged)
        await self._conversations.save(it, *it.close("", "", self._clock()))

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
