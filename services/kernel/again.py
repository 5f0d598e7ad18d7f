"""A lost race is run again, here and at once, because its loser only has to read once more."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 20
_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05


def again_if(
    *lost: type[Exception], tries: int = TRIES
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Repeat the whole coroutine when it raises one of `lost`; after `tries` let it through.

    Pauses are random, double from 1 ms and stay below 50 ms: under a second in all.
    """

    def decorate(attempt: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @wraps(attempt)
        async def until_won(*args: P.args, **kwargs: P.kwargs) -> R:
            for lap in range(tries - 1):
                try:
                    return await attempt(*args, **kwargs)
                except lost:
                    longest = min(_FIRST_PAUSE * 2**lap, _LONGEST_PAUSE)
                    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, no secret
            return await attempt(*args, **kwargs)

        return until_won

    return decorate
