"""Read a stream from a point on, in order and without gaps, through whatever happens to it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import TypeVar

from google.protobuf.message import Message

from .bus import Bus
from .reader import Reader, Tailed
from .unreadable import understood
from .wire import event_in

__all__ = ["Tailed", "heard", "tail", "until_now"]

E = TypeVar("E", bound=Message)


def heard(kind: type[E], stream: str, one: Tailed) -> E | None:
    """Read an event of a tail; None for what is none, which is passed over."""
    read = partial(event_in, kind, one.subject, one.data, one.headers)
    return understood(stream, read, sequence=one.sequence)


async def tail(  # noqa: PLR0913 - where to start, said in one of four ways
    bus: Bus,
    stream: str,
    *,
    subjects: Sequence[str] = (),
    after: int = 0,
    since: datetime | None = None,
    last_per_subject: bool = False,
    new: bool = False,
) -> AsyncGenerator[list[Tailed], None]:
    """Yield batches as they come, for ever; outages only delay them.

    Starts behind sequence `after`, or with what was stored `since` a moment, or with the last
    message of each subject, or, with `new`, with what is stored from now on. A first, empty batch
    says that nothing was there to begin with; of a beginning, the message with `pending` 0 is the
    last. NotFoundError: no such stream. Close it (`contextlib.aclosing`) when you stop reading.
    """
    reader = Reader(
        bus, stream, tuple(subjects), after, since=since, last_per_subject=last_per_subject
    )
    try:
        with bus.on_resume(reader.lose):
            if not await reader.reopen(skip=new):
                yield []
            while True:
                yield await reader.batch()
    finally:
        await reader.close()


async def until_now(
    batches: AsyncGenerator[list[Tailed], None],
) -> AsyncGenerator[list[Tailed], None]:
    """Yield of a tail what was there when it began. It is closed with this, so close this."""
    async with aclosing(batches):
        async for batch in batches:
            if batch:
                yield batch
            if not batch or batch[-1].pending == 0:
                return
