"""A task that loses cancellations, as requests to NATS may, still ends."""

import asyncio
import logging
from contextlib import suppress

import pytest

from services.kernel.ending import beside, ended, told_to_end


class Stubborn:
    """Loses the first cancellations."""

    def __init__(self, loses: int) -> None:
        self.left = loses
        self.saw_it = False

    async def __call__(self) -> None:
        while self.left > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            self.left -= 1
            self.saw_it = told_to_end()
        await asyncio.Event().wait()


async def begun(stubborn: Stubborn) -> asyncio.Task[None]:
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    return task


async def test_tasks_that_lose_cancellations_are_ended_all_the_same() -> None:
    tasks = [await begun(Stubborn(loses)) for loses in (0, 1, 3)]
    await ended(*tasks, again_after=0.001)
    assert all(task.cancelled() for task in tasks)


async def test_a_loop_sees_that_it_was_told_although_the_cancellation_was_lost() -> None:
    stubborn = Stubborn(1)
    assert not told_to_end()
    await ended(await begun(stubborn), again_after=0.001)
    assert stubborn.saw_it


async def test_a_task_that_tidies_up_in_time_is_not_interrupted() -> None:
    tidied = asyncio.Event()

    async def tidies() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            tidied.set()

    task = asyncio.create_task(tidies())
    await asyncio.sleep(0)
    await ended(task, again_after=10)
    assert tidied.is_set()


async def test_a_task_that_never_ends_is_left_with_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stubborn = Stubborn(1_000_000)
    task = await begun(stubborn)
    await ended(task, again_after=0.001, at_most=0.01)
    assert not task.done()
    assert [one.levelno for one in caplog.records] == [logging.ERROR]
    stubborn.left = 0
    await ended(task)


async def test_a_task_that_failed_has_ended_and_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    await ended(task, None)
    assert [vars(one)["cause"] for one in caplog.records] == ["ZeroDivisionError"]


async def test_who_is_cancelled_while_waiting_is_so_when_the_tasks_are_over() -> None:
    task = await begun(Stubborn(3))
    waiting = asyncio.create_task(ended(task, again_after=0.001))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert task.cancelled()


async def test_what_runs_beside_a_block_ends_with_it() -> None:
    async def block() -> asyncio.Task[None]:
        async with beside(Stubborn(1)()) as task:
            await asyncio.sleep(0)
            assert not task.done()
        return task

    assert (await block()).cancelled()
