"""What was said, for those who may know."""

from dataclasses import dataclass

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.errors import ConversationNotFound
from services.conversations.domain.message import Message, Place
from services.conversations.domain.visibility import Viewer

from .ports import Conversations, Messages

USUAL_PAGE = 50
LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is where the following page begins; None on the last."""

    messages: tuple[Message, ...]
    next: Place | None


class ReadConversation:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def __call__(self, viewer: Viewer, conversation_id: str) -> Conversation:
        it = await self._conversations.get(viewer.tenant_id, conversation_id)
        if not viewer.sees(it):
            raise ConversationNotFound("No such conversation.", conversationId=conversation_id)
        return it


class ReadOpenConversation:
    """For a service that speaks with the customer, and knows nothing but the address."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def __call__(self, tenant_id: str, channel_account_id: str, address: str) -> Conversation:
        it = await self._conversations.open_with(tenant_id, channel_account_id, address)
        if it is None:
            raise ConversationNotFound("No conversation with this address is open.")
        return it


class CountOpen:
    """For the service that removes channel accounts."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def __call__(self, tenant_id: str, channel_account_id: str) -> int:
        return await self._conversations.open_on(tenant_id, channel_account_id)


class ReadMessages:
    """The stored messages and the staged ones, as one thread."""

    def __init__(self, read: ReadConversation, messages: Messages) -> None:
        self._read = read
        self._messages = messages

    async def __call__(
        self, viewer: Viewer, conversation_id: str, size: int, after: Place | None
    ) -> Page:
        """Return at most `size` messages behind `after`; 0 means 50, more than 200 mean 200."""
        most = min(size or USUAL_PAGE, LARGEST_PAGE)
        # This order sees a message that is being stored twice rather than not at all.
        it = await self._read(viewer, conversation_id)
        stored = await self._messages.after(it, after, most + 1)
        known = {each.id for each in stored}
        staged = [
            each
            for each in it.staged
            if each.id not in known and (after is None or each.place > after)
        ]
        thread = sorted((*stored, *staged), key=lambda each: each.place)
        page = tuple(thread[:most])
        return Page(page, page[-1].place if len(thread) > most else None)
