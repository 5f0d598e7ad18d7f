"""What crossed the close of a conversation begins the next one of its lane.

The close says in its own write which messages crossed it, so that they are never forgotten. Who
closed opens the next conversation; should they die before that, the next message of the lane does
it, or the reconciler. The ordinal of the lane lets only one of them.
"""

from collections.abc import Callable, Sequence

from services.conversations.domain.conversation import Conversation, continuing
from services.conversations.domain.errors import Stale
from services.conversations.domain.message import Message, Seen
from services.kernel.again import again_if

from .ports import Conversations, Messages
from .staging import StoreStaged

MOST_CROSSED = 100
"""Messages that begin the next conversation in one write. What lies before them counts as seen."""


class Continue:
    """Repeatable at any point, by anyone, at once."""

    def __init__(
        self,
        conversations: Conversations,
        messages: Messages,
        store: StoreStaged,
        new_id: Callable[[], str],
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._store = store
        self._new_id = new_id

    async def unseen(self, it: Conversation, seen: Seen) -> Sequence[Message]:
        """Return the last that the customer wrote and that is not seen; nothing of it is staged."""
        if seen.until is None and (not seen.arrival or seen.arrival >= it.message_count):
            return ()
        return await self._messages.unseen(it, seen, MOST_CROSSED)

    @again_if(Stale)
    async def __call__(self, it: Conversation) -> Conversation | None:
        """Return the conversation that goes on where this one was closed, if one does."""
        if not it.crossed:
            return None
        following = await self._conversations.following(it) or await self._open(it)
        if following is not None:
            await self._store.now(following, [each for each in following.staged if each.moved])
        await self._conversations.continued(it.id)
        return following

    async def _open(self, it: Conversation) -> Conversation | None:
        crossed = await self._messages.among(it.lane.tenant_id, it.crossed)
        if not crossed:  # erased meanwhile
            return None
        new = continuing(self._new_id(), it, crossed)
        events = new.take_over(crossed, it.assignee_id)
        await self._conversations.save(new, *events)
        return new.apply(*events)
