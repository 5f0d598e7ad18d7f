"""A fact that is on its way is awaited for a moment, not denied at once."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from services.conversations.domain.errors import ConversationNotFound, NotYours
from services.conversations.domain.visibility import Viewer

from .ports import Conversations

R = TypeVar("R")

# Seconds between looks, two in all. A signal of this process ends a pause early; the looks in
# between are for facts that another replica has noted.
PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.63)


class Facts:
    """Tells those who wait that something about a conversation has been noted."""

    def __init__(self) -> None:
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def noted(self, conversation_id: str) -> None:
        for watcher in self._watchers.get(conversation_id, ()):
            watcher.set()

    @contextmanager
    def watching(self, conversation_id: str) -> Iterator["Watch"]:
        """Enter before the first look, so that nothing falls between look and wait."""
        watcher = asyncio.Event()
        self._watchers[conversation_id].add(watcher)
        try:
            yield Watch(watcher)
        finally:
            self._watchers[conversation_id].discard(watcher)
            if not self._watchers[conversation_id]:
                del self._watchers[conversation_id]


class Watch:
    def __init__(self, watcher: asyncio.Event) -> None:
        self._watcher = watcher

    async def pause(self, seconds: float) -> None:
        """Return when something was noted since the last pause, or after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._watcher.wait()
        self._watcher.clear()


class Assignments:
    """Gives the router's word time to arrive: an agent may answer right after accepting."""

    def __init__(
        self, conversations: Conversations, facts: Facts, pauses: tuple[float, ...] = PAUSES
    ) -> None:
        self._conversations = conversations
        self._facts = facts
        self._pauses = pauses

    async def awaited(
        self, viewer: Viewer, conversation_id: str, attempt: Callable[[], Awaitable[R]]
    ) -> R:
        """Repeat the attempt while it is refused as not theirs, two seconds at most."""
        with self._facts.watching(conversation_id) as watch:
            for seconds in self._pauses:
                try:
                    return await attempt()
                except NotYours:
                    await watch.pause(seconds)
        try:
            return await attempt()
        except NotYours:
            it = await self._conversations.get(viewer.tenant_id, conversation_id)
            if viewer.sees(it):
                raise
            raise ConversationNotFound(
                "No such conversation.", conversationId=conversation_id
            ) from None
