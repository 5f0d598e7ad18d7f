"""A shard's state, folded from its snapshot and its journal, as far as that was read."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from services.dispatch.domain.state import State, evolve

from .ports import Ports, Position, Shard, SnapshotLost

FOLLOW_S = 0.1
"""Who is about to lead reads this often what was decided meanwhile."""
RECORDS_AT_ONCE = 200
"""Folded before others get their turn: this process may lead another shard."""


class Fold:
    """Reads on from where it stopped, whenever it is asked to."""

    def __init__(self, ports: Ports, shard: Shard) -> None:
        self._ports = ports
        self._shard = shard
        self.state = State()
        self.position = Position()
        self.saved: Position | None = None
        """Where the snapshot ends that it began with; None: it has not begun."""
        self._proven = False
        """Nothing that was decided is missing in the state."""

    async def catch_up(self) -> None:
        """Fold all that was decided until now. Raises Unknown, Newer, Torn, SnapshotLost."""
        if self.saved is None:
            loaded = await self._ports.snapshots.load(self._shard)
            self.state = loaded.state
            self.position = self.saved = loaded.position
            self._proven = loaded.newest
        folded = 0
        async with aclosing(self._ports.journal.read(self._shard, self.position)) as journal:
            async for records in journal:
                for record in records:
                    for made in record.steps:
                        for decision in made.decisions:
                            evolve(self.state, decision, made.at)
                    self.position = record.position
                    folded += 1
                    if folded % RECORDS_AT_ONCE == 0:
                        await asyncio.sleep(0)
        self._proven = self._proven or await self._reaches_back(self.saved)
        if not self._proven:
            raise SnapshotLost(self.position.sequence)
        # A journal that aged away after the snapshot begins anew; appending must expect that.
        if await self._ports.journal.end(self._shard) == 0:
            self.position = self.saved = replace(self.position, sequence=0, emitted=0)

    async def _reaches_back(self, since: Position) -> bool:
        """Say whether all is folded that was decided since an older snapshot, or ever.

        It is when a record went on from there, or when the journal begins before it ended.
        """
        if self.position.chain != since.chain:
            return True
        return 0 < await self._ports.journal.begin(self._shard) <= since.sequence

    async def follow(self, ready: Callable[[], None]) -> None:
        """Fold what somebody else decides, for ever; each time all is folded, call `ready`."""
        while True:
            await self.catch_up()
            ready()
            await asyncio.sleep(FOLLOW_S)
