"""Answers to this process's commands, over core NATS: the journal keeps them, if this is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from nats.aio.msg import Msg

from services.dispatch.domain.decisions import Answered, Reason
from services.kernel.bus import Bus


class AwaitedReply:
    """See the port."""

    def __init__(self, reply_to: str) -> None:
        self.reply_to = reply_to
        self.outcome: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()

    async def within(self, seconds: float) -> Answered | None:
        try:
            async with asyncio.timeout(seconds):
                return await self.outcome
        except TimeoutError:
            return None


class InboxReplies:
    """See the port."""

    def __init__(self, inbox: str) -> None:
        self._inbox = inbox
        self._count = 0
        self._awaited: dict[str, AwaitedReply] = {}

    @contextmanager
    def expect(self) -> Iterator[AwaitedReply]:
        self._count += 1
        awaited = AwaitedReply(f"{self._inbox}.{self._count}")
        self._awaited[awaited.reply_to] = awaited
        try:
            yield awaited
        finally:
            del self._awaited[awaited.reply_to]

    async def take(self, message: Msg) -> None:
        awaited = self._awaited.get(message.subject)
        if awaited is not None and not awaited.outcome.done():
            told = wire.Answered.FromString(message.data)
            awaited.outcome.set_result(
                Answered(told.tenant_id, told.request_id, Reason(told.reason), "", told.count)
            )


@asynccontextmanager
async def replies(bus: Bus) -> AsyncIterator[InboxReplies]:
    """Await answers on an inbox of this process."""
    inbox = InboxReplies(bus.nc.new_inbox())
    subscription = await bus.nc.subscribe(f"{inbox._inbox}.*", cb=inbox.take)  # noqa: SLF001
    try:
        yield inbox
    finally:
        await subscription.unsubscribe()
