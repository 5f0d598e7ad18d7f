"""The way to the bus and back: slow, lossy, at times cut, and never a liar."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, TypeVar

from services.dispatch.use_cases.ports import Unknown

from .loop import SimulatedLoop

T = TypeVar("T")

PATIENCE_S = 2.0
"""How long an answer is awaited; the request may still be served when nobody waits any more."""


@dataclass
class Network:
    """One machine's connection."""

    dice: Random
    lost: float
    """The share of requests, and of answers, that go astray."""
    late: float
    """The share of requests that arrive after everybody has given them up."""
    cut_until: float = 0.0

    async def ask(self, serve: Callable[[], T]) -> T:
        """Have the bus do something.

        Raises what it raises; Unknown when no answer came: then it was done, or not, or will be.
        """
        loop = _loop()
        answer: asyncio.Future[T] = loop.create_future()

        def served() -> None:
            try:
                deliver = partial(_deliver, answer, serve(), None)
            except Exception as refused:  # noqa: BLE001 - it is the asker's
                deliver = partial(_deliver, answer, None, refused)
            if self._arrives():
                loop.elsewhere(self._delay(), deliver)

        if self._arrives():
            astray = self.dice.random() < self.late
            delay = PATIENCE_S * (0.9 + self.dice.random()) if astray else self._delay()
            loop.elsewhere(delay, served)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answer
        except TimeoutError:
            raise Unknown from None

    async def ask_until_answered(self, serve: Callable[[], T]) -> T:
        """Ask again for as long as it takes, as readers of streams do."""
        while True:
            try:
                return await self.ask(serve)
            except Unknown:
                continue

    def tell(self, serve: Callable[[], object]) -> None:
        """Send something nobody confirms."""
        if self._arrives():
            _loop().elsewhere(self._delay(), serve)

    def cut(self, seconds: float) -> None:
        """Lose everything for a while."""
        self.cut_until = _loop().time() + seconds

    def heal(self) -> None:
        self.cut_until = self.lost = self.late = 0.0

    def _arrives(self) -> bool:
        return _loop().time() >= self.cut_until and self.dice.random() >= self.lost

    def _delay(self) -> float:
        return self.dice.random() * 0.004


def _deliver(answer: "asyncio.Future[Any]", result: object, refused: Exception | None) -> None:
    if answer.done():
        return  # nobody waits any more
    if refused is None:
        answer.set_result(result)
    else:
        answer.set_exception(refused)
        answer.exception()  # the dead never ask


def _loop() -> SimulatedLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    return loop
