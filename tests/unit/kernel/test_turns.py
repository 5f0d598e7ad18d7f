"""Those who share a key go one after the other, and nobody else waits."""

import asyncio

import pytest

from services.kernel.turns import Turns


class Walk:
    """Goes in and out of turns, and tells who is in there when."""

    def __init__(self) -> None:
        self.turns: Turns[str] = Turns()
        self.seen: list[str] = []

    async def __call__(self, key: str, name: str, *, fails: bool = False) -> None:
        async with self.turns.of(key):
            self.seen.append(f"{name} in")
            await asyncio.sleep(0)
            if fails:
                raise RuntimeError
            self.seen.append(f"{name} out")


async def test_a_key_is_taken_in_the_order_of_asking() -> None:
    walk = Walk()
    await asyncio.gather(*(walk("k", name) for name in "abc"))
    assert walk.seen == ["a in", "a out", "b in", "b out", "c in", "c out"]


async def test_another_key_waits_for_nobody() -> None:
    walk = Walk()
    await asyncio.gather(walk("k", "a"), walk("l", "b"))
    assert walk.seen == ["a in", "b in", "a out", "b out"]


async def test_a_turn_that_fails_passes_on() -> None:
    walk = Walk()
    failed, _ = await asyncio.gather(
        walk("k", "a", fails=True), walk("k", "b"), return_exceptions=True
    )
    assert isinstance(failed, RuntimeError)
    assert walk.seen == ["a in", "b in", "b out"]


async def test_who_leaves_the_line_does_not_stop_it() -> None:
    walk = Walk()
    a, b, c = (asyncio.create_task(walk("k", name)) for name in "abc")
    await asyncio.sleep(0)
    b.cancel()
    with pytest.raises(asyncio.CancelledError):
        await b
    await asyncio.gather(a, c)
    assert walk.seen == ["a in", "a out", "c in", "c out"]


async def test_a_few_of_a_key_go_at_once_and_the_next_when_one_is_out() -> None:
    turns: Turns[str] = Turns(2)
    inside, most = 0, 0

    async def go() -> None:
        nonlocal inside, most
        async with turns.of("k"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(go() for _ in range(7)))
    assert (inside, most) == (0, 2)
