"""An agent answers, and ends the conversation."""

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.errors import ConversationNotFound, RequestIdMissing, Stale
from services.conversations.domain.message import Message, Seen, reply_id
from services.conversations.domain.visibility import Viewer
from services.kernel.again import again_if
from services.kernel.clock import Clock
from services.kernel.ids import is_token

from .continuing import Continue
from .ports import Conversations, Messages
from .staging import StoreStaged
from .waiting import Assignments


class Reply:
    """Only the assignee may. The same request again is the same reply."""

    def __init__(
        self,
        conversations: Conversations,
        messages: Messages,
        store: StoreStaged,
        assignments: Assignments,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._store = store
        self._assignments = assignments
        self._clock = clock

    async def __call__(
        self, viewer: Viewer, conversation_id: str, request_id: str, text: str
    ) -> Message:
        _insist_on_request_id(request_id)

        async def attempt() -> Message:
            return await self._send(viewer, conversation_id, request_id, text)

        return await self._assignments.awaited(viewer, conversation_id, attempt)

    @again_if(Stale)
    async def _send(
        self, viewer: Viewer, conversation_id: str, request_id: str, text: str
    ) -> Message:
        # The order of the two looks matters, as in receiving.
        it = await self._conversations.get(viewer.tenant_id, conversation_id)
        message_id = reply_id(viewer.tenant_id, conversation_id, viewer.user_id, request_id)
        if staged := it.holds(message_id):
            return it.insist_on_same(staged, text)
        if stored := await self._messages.get(viewer.tenant_id, message_id):
            return it.insist_on_same(stored, text)
        _insist_on_view_of_closed(viewer, it)
        events = it.reply(viewer.user_id, request_id, text, self._clock())
        await self._conversations.save(it, *events)
        after = it.apply(*events)
        # At once: the channel's report about it is already on its way.
        await self._store.now(after, after.staged)
        return after.staged[-1]


class Close:
    """The assignee may, and whoever supervises. The same request again is answered alike."""

    def __init__(
        self,
        conversations: Conversations,
        store: StoreStaged,
        go_on: Continue,
        assignments: Assignments,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._store = store
        self._go_on = go_on
        self._assignments = assignments
        self._clock = clock

    async def __call__(
        self, viewer: Viewer, conversation_id: str, request_id: str, seen: Seen
    ) -> tuple[Conversation, Conversation | None]:
        """Return it, and the one that goes on with what its caller has not seen, if any is."""
        _insist_on_request_id(request_id)

        async def attempt() -> Conversation:
            return await self._end(viewer, conversation_id, request_id, seen)

        closed = await self._assignments.awaited(viewer, conversation_id, attempt)
        return closed, await self._go_on(closed)

    @again_if(Stale)
    async def _end(
        self, viewer: Viewer, conversation_id: str, request_id: str, seen: Seen
    ) -> Conversation:
        it = await self._conversations.get(viewer.tenant_id, conversation_id)
        if it.was_closed_by(viewer.user_id, request_id, seen.arrival):
            return it
        _insist_on_view_of_closed(viewer, it)
        if not viewer.may_close(it):
            it.insist_on_assignee(viewer.user_id)
        # What is staged is stored first: nobody looks for messages in a closed document.
        await self._store.now(it, it.staged)
        crossed = await self._go_on.unseen(it, seen)
        events = it.close(viewer.user_id, request_id, self._clock(), crossed, seen.arrival)
        await self._conversations.save(it, *events)
        return it.apply(*events)


def _insist_on_request_id(request_id: str) -> None:
    if not is_token(request_id):
        raise RequestIdMissing("Send a request_id of 1 to 64 of [A-Za-z0-9_-].")


def _insist_on_view_of_closed(viewer: Viewer, it: Conversation) -> None:
    # While it is open, the fact that makes it theirs may be on its way; see waiting.
    if it.closed and not viewer.sees(it):
        raise ConversationNotFound("No such conversation.", conversationId=it.id)
