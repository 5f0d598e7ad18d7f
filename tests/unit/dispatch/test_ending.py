"""A task that swallows its cancellation, as requests to NATS may, still ends."""

import asyncio
from contextlib import suppress

from services.dispatch.use_cases.ending import ended


async def test_a_task_that_swallows_a_cancellation_is_ended_all_the_same() -> None:
    swallowed = asyncio.Event()

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        swallowed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await ended(task)
    assert swallowed.is_set()
    assert task.cancelled()


async def test_a_task_that_failed_has_ended() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    await ended(task)
