"""What is told to end has ended: a cancellation that gets lost on its way is repeated."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from .causes import cause_of

log = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_AFTER = 0.1
AT_MOST = 5.0


async def ended(
    *tasks: asyncio.Task[Any] | None, again_after: float = AGAIN_AFTER, at_most: float = AT_MOST
) -> None:
    """Cancel tasks until they are over; a failure of theirs is logged, never raised.

    Once is not enough: until Python 3.12 `asyncio.wait_for`, which every request to NATS goes
    through, forgets a cancellation that arrives together with its answer, and who waited for such
    a task would wait for ever. A task has `again_after` seconds to tidy up before the next one
    interrupts it, and is left behind, with an error in the log, after `at_most`. Who is cancelled
    while waiting here is so when the tasks are over.
    """
    clock = asyncio.get_running_loop().time
    until, interrupted = clock() + at_most, None
    given = [task for task in tasks if task is not None]
    while (left := [task for task in given if not task.done()]) and clock() < until:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=min(again_after, max(0.0, until - clock())))
        except asyncio.CancelledError as told:
            interrupted = told
    for task in given:
        if not task.done():
            log.error("a task does not end", extra={"seconds": at_most})
        elif not task.cancelled() and (trouble := task.exception()):
            log.warning("a task had failed", extra={"cause": cause_of(trouble)})
    if interrupted is not None:
        raise interrupted


def told_to_end() -> bool:
    """Say whether the running task was cancelled, even if that was lost on its way."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run work beside the block, and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        await ended(task)
