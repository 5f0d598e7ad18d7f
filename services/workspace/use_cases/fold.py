"""Fold what other services say into the card of its conversation."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from services.kernel.again import again_if
from services.workspace.domain.errors import Stale
from services.workspace.domain.sources import Fact, Opening, Routed, Sources

TOGETHER_S = 0.012
"""A conversation that opens rings within milliseconds: one write tells both."""


class Store(Protocol):
    """The sources of each conversation: the last that was told of it."""

    def recalled(self, tenant_id: str, conversation_id: str) -> Sources | None:
        """What this process wrote last, at no cost. Another may have written since."""
        ...

    async def read(self, tenant_id: str, conversation_id: str) -> Sources | None: ...

    async def save(self, before: Sources, after: Sources) -> None:
        """Tell `after` if nothing was told since `before`, or raise Stale.

        Any other failure leaves open whether it was told: fold the same facts again.
        """
        ...


class FoldFact:
    """Facts of one conversation are folded by one caller at a time in this process.

    Several consumers bring them at once: whoever comes to the card first folds all that wait, with
    one write and one announcement, which starts from what this process wrote last and so needs no
    read. A race with another replica is lost without harm, and the loser reads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lanes: dict[tuple[str, str], _Lane] = {}

    async def __call__(self, tenant_id: str, conversation_id: str, fact: Fact) -> None:
        key = tenant_id, conversation_id
        lane = self._lanes.setdefault(key, _Lane())
        mine = _Waiting(fact)
        lane.add(mine)
        try:
            async with lane.lock:
                if mine in lane.waiting:
                    await self._fold_all(key, lane)
        finally:
            if mine in lane.waiting:
                lane.waiting.remove(mine)  # it failed; the others try for themselves
            if not lane.waiting and self._lanes.get(key) is lane and not lane.lock.locked():
                del self._lanes[key]

    async def _fold_all(self, key: tuple[str, str], lane: "_Lane") -> None:
        await lane.gather(TOGETHER_S)
        taken = tuple(lane.waiting)
        facts = [one.fact for one in taken]
        known = self._store.recalled(*key)
        if known is None and any(isinstance(fact, Opening) for fact in facts):
            # Most often nothing is there before the opening: try that before reading.
            known = Sources(*key)
        if known is not None:
            try:
                await self._tell(known, facts)
            except Stale:
                known = None
        if known is None:
            await self._read_and_tell(key, facts)
        for one in taken:
            if one in lane.waiting:
                lane.waiting.remove(one)

    @again_if(Stale)
    async def _read_and_tell(self, key: tuple[str, str], facts: Sequence[Fact]) -> None:
        known = await self._store.read(*key)
        await self._tell(known or Sources(*key), facts)

    async def _tell(self, known: Sources, facts: Sequence[Fact]) -> None:
        # What brings nothing new to an older state brings nothing to a newer one: folds only grow.
        after = known.told(*facts)
        if after is not known:
            await self._store.save(known, after)


@dataclass(eq=False, slots=True)
class _Waiting:
    fact: Fact


@dataclass(slots=True)
class _Lane:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Waiting] = field(default_factory=list)
    rings: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, one: _Waiting) -> None:
        self.waiting.append(one)
        if isinstance(one.fact, Routed) and one.fact.standing.agent_id:
            self.rings.set()

    async def gather(self, seconds: float) -> None:
        """Of a conversation that opens, wait a moment for the agent at whom it rings."""
        if any(isinstance(one.fact, Opening) for one in self.waiting):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.rings.wait()
