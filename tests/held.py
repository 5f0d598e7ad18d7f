"""What a process still holds of a kind: whoever left must not be among it."""

import gc
from typing import Any

from tests.streams import until


def held(kind: type[Any]) -> int:
    """Count the objects of exactly this kind that something still refers to."""
    gc.collect()
    return sum(type(it) is kind for it in gc.get_objects())


async def let_go(kind: type[Any], *, within: float = 10) -> None:
    """Wait until nothing of a kind is held any more."""
    await until(lambda: not held(kind), within=within)
