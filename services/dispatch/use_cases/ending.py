"""Ending a task of ours for certain."""

import asyncio
from typing import Any

AGAIN_AFTER_S = 0.1


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it is over; what it raises is nobody's business any more.

    Once is not enough: a cancellation that meets the answer of a request can be swallowed on its
    way (`asyncio.wait_for` before Python 3.12, and the NATS client). Who waited for such a task
    would wait for ever, and a lease might be renewed for a leader that is no more.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_AFTER_S)
    if not task.cancelled():
        task.exception()  # looked at, so that nobody complains that it never was
