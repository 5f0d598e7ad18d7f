"""From the conversation's document to documents of their own: the second half of an append.

A message is staged in the same write that counts it and tells the others, so it is never half
there. Afterwards, in this order, it is stored and unstaged: whoever reads the conversation
first and the messages second finds it in at least one of the two. Staged is as good as stored,
so nobody waits for the second half: it is done for many messages at once.
"""

from collections.abc import Sequence
from datetime import timedelta

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.message import Message
from services.kernel.clock import Clock

from .ports import Conversations, Messages

# Long enough for the one who staged it to be done; a death is the exception.
PATIENCE = timedelta(seconds=2)
AT_ONCE = 100
MOST_STAGED = 20


class StoreStaged:
    """Repeatable at any point, by anyone, at once."""

    def __init__(self, conversations: Conversations, messages: Messages, clock: Clock) -> None:
        self._conversations = conversations
        self._messages = messages
        self._clock = clock
        self._noted: list[tuple[Conversation, Message]] = []

    async def soon(self, it: Conversation, message: Message) -> None:
        """Leave a message for the next flush; a document that gets long does not wait for it."""
        self._noted.append((it, message))
        if len(it.staged) >= MOST_STAGED:
            await self.flush()

    async def flush(self) -> None:
        """Store what was noted. What fails here is left to the sweep."""
        while batch := self._noted[:AT_ONCE]:
            del self._noted[:AT_ONCE]
            await self._store(batch)

    async def now(self, it: Conversation, staged: Sequence[Message]) -> None:
        """Store these before anything else happens to the conversation."""
        ids = {message.id for message in staged}
        self._noted = [each for each in self._noted if each[1].id not in ids]
        await self._store([(it, message) for message in staged])

    async def sweep(self) -> int:
        """Finish what a process that died has begun; return the number of conversations."""
        left = await self._conversations.left_staged(self._clock() - PATIENCE, AT_ONCE)
        await self._store([(it, message) for it in left for message in it.staged])
        if emptied := [it.id for it in left if not it.staged]:
            await self._conversations.unstage(emptied, [])
        return len(left)

    async def _store(self, staged: Sequence[tuple[Conversation, Message]]) -> None:
        if staged:
            await self._messages.keep(staged)
            conversations = dict.fromkeys(it.id for it, _ in staged)
            await self._conversations.unstage(
                list(conversations), [message.id for _, message in staged]
            )
