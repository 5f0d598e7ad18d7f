"""From the conversation's document to documents of their own: the second half of an append.

A message is staged in the same write that counts it and tells the others, so it is never half
there. Afterwards, in this order, it is stored and unstaged: whoever reads the conversation
first and the messages second finds it in at least one of the two.
"""

from collections.abc import Sequence
from datetime import timedelta

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.message import Message
from services.kernel.clock import Clock

from .ports import Conversations, Messages

# Long enough for the one who staged it to be done; a crash is the exception.
PATIENCE = timedelta(seconds=2)
AT_ONCE = 100


class StoreStaged:
    """Store and unstage: after an append for its own message, in the sweep for what is left."""

    def __init__(self, conversations: Conversations, messages: Messages, clock: Clock) -> None:
        self._conversations = conversations
        self._messages = messages
        self._clock = clock

    async def __call__(self, it: Conversation, staged: Sequence[Message]) -> None:
        """Repeatable at any point, by anyone, at once."""
        if staged:
            await self._messages.keep(it, staged)
            await self._conversations.unstage(it.id, [each.id for each in staged])

    async def sweep(self) -> int:
        """Finish what a process that died has begun; return the number of conversations."""
        left = await self._conversations.left_staged(self._clock() - PATIENCE, AT_ONCE)
        for it in left:
            if it.staged:
                await self(it, it.staged)
            else:
                await self._conversations.unstage(it.id, [])
        return len(left)
