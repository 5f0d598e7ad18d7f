"""From the conversation's document to documents of their own: the second half of an append.

A message is staged in the same write that counts it and tells the others, so it is never half
there. Afterwards, in this order, it is stored and unstaged: whoever reads the conversation
first and the messages second finds it in at least one of the two. Staged is as good as stored,
so nobody waits for the second half: it is done when the others are told, for many at once.
"""

from collections.abc import Sequence

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.message import Message

from .ports import Conversations, Messages

MOST_STAGED = 20


class StoreStaged:
    """Repeatable at any point, by anyone, at once."""

    def __init__(self, conversations: Conversations, messages: Messages) -> None:
        self._conversations = conversations
        self._messages = messages

    async def told(self, conversation_ids: Sequence[str]) -> None:
        """Store whatever these hold, of whom the others have been told."""
        holding = await self._conversations.holding(conversation_ids)
        staged = [(it, message) for it in holding for message in it.staged]
        await self._store(staged, conversation_ids)

    async def now(self, it: Conversation, staged: Sequence[Message]) -> None:
        """Store these before anything else happens to the conversation."""
        if staged:
            await self._store([(it, message) for message in staged], [it.id])

    async def _store(
        self, staged: Sequence[tuple[Conversation, Message]], conversation_ids: Sequence[str]
    ) -> None:
        if staged:
            await self._messages.keep(staged)
        await self._conversations.unstage(conversation_ids, [message.id for _, message in staged])
