"""Who leads a shard: a key for each, written only when that changes.

`a` leads; `a>b`: a leads until b is warm; `>b`: a has stopped, and b begins. A lease lasts as long
as its owner is alive, which the roster knows; so nothing is written while nothing moves.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from services.dispatch.domain.placement import placed
from services.dispatch.use_cases.ports import Leadership, Shard, WarmUp
from services.kernel.bus import Bus
from services.kernel.causes import cause_of
from services.kernel.ending import beside, ended

from .board import TROUBLE, Board, Noted, now
from .roster import BLIND_S, KEY, LEASE_S, Roster, said_in
from .shard_count import agree_on_shards

log = logging.getLogger(__name__)

LOOK_S = 0.1
"""So often is looked whether somebody is dead: nobody writes that."""
GRACE_S = 0.3
"""How long a shard without a leader waits for whose turn it is before anybody takes it."""
PASSED_ON_WITHIN_S = 10.0
_AFTER_TROUBLE_S = 0.5


class _Words(NamedTuple):
    owner: str
    successor: str


@asynccontextmanager
async def leases(
    bus: Bus, name: str, shards: int, settled_after_s: float
) -> AsyncIterator["KeyValueLeases"]:
    """Be one of the replicas while the context lasts. Raises Misconfigured: see shard_count."""
    await agree_on_shards(bus, shards)
    board = Board(bus, KEY + name, BLIND_S, _judge)
    roster = Roster(board, name, settled_after_s)
    async with beside(board.follow()), beside(roster.announce()):
        yield KeyValueLeases(board, roster, shards)
    await roster.bye()


class KeyValueLeases:
    """See the port."""

    def __init__(self, board: Board, roster: Roster, shards: int) -> None:
        self._board = board
        self._roster = roster
        self._shards = shards
        self._held: set[Shard] = set()

    @asynccontextmanager
    async def held(self, shard: Shard, warm_up: WarmUp) -> AsyncIterator["Lease"]:
        lease = Lease(self._board, self._roster, shard, self._shards)
        await lease.take(warm_up)
        self._held.add(shard)
        try:
            async with beside(lease.plan()):
                yield lease
        finally:
            await lease.release()
            self._held.discard(shard)

    async def pass_on(self) -> None:
        """Hand all shards to others who are there, without a pause."""
        self._roster.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(PASSED_ON_WITHIN_S):
                while self._held and self._roster.present:
                    await self._board.change(LOOK_S)

    def leaders(self) -> Mapping[Shard, Leadership]:
        found = {}
        for shard in range(self._shards):
            owner, successor = _read(self._board.at(_key(shard)))
            alive = bool(owner) and self._roster.is_alive(owner)
            found[shard] = Leadership(owner if alive else "", successor)
        return found


class Lease:
    """One shard's, from wanting it to giving it back."""

    def __init__(self, board: Board, roster: Roster, shard: Shard, shards: int) -> None:
        self._board = board
        self._roster = roster
        self._shard = shard
        self._shards = shards
        self._revision = 0
        self._named = ""
        self._vacant_since: float | None = None

    def holds(self) -> bool:
        return self._roster.alive and self._owned()

    @property
    def successor(self) -> str:
        """Who stands ready to lead instead; empty: nobody."""
        ready = self._named and self._roster.stands_by(self._named, self._shard)
        return self._named if ready else ""

    async def take(self, warm_up: WarmUp) -> None:
        """Wait for one's turn; warm up while somebody is about to pass the shard on to us."""
        warming: asyncio.Task[None] | None = None
        try:
            while True:
                noted = self._board.at(_key(self._shard))
                if self._board.sees and self._is_ours(noted):
                    try:
                        await self._write(_Words(self._roster.name, ""), noted.revision)
                    except TROUBLE:
                        await asyncio.sleep(LOOK_S)  # the board will say who has it
                    else:
                        return
                if self._is_next(noted):
                    warming = warming or asyncio.create_task(self._warm(warm_up))
                elif warming is not None:
                    await ended(warming)
                    warming = None
                    self._roster.stand_down(self._shard)
                await self._board.change(LOOK_S)
        finally:
            await ended(warming)
            self._roster.stand_down(self._shard)

    async def plan(self) -> None:
        """Name who shall lead instead of us, whenever we have more than our share."""
        while True:
            noted = self._board.at(_key(self._shard))
            if noted.revision > self._revision and _read(noted).owner == self._roster.name:
                # A write of ours of which we have not heard.
                self._revision, self._named = noted.revision, _read(noted).successor
            heir = self._heir()
            if heir != self._named and self._owned():
                with suppress(*TROUBLE):
                    await self._write(_Words(self._roster.name, heir), self._revision)
            await self._board.change(LOOK_S)

    async def release(self) -> None:
        with suppress(*TROUBLE):
            if self.holds():
                await self._write(_Words("", self.successor), self._revision)

    def _owned(self) -> bool:
        noted = self._board.at(_key(self._shard))
        return noted.revision < self._revision or _read(noted).owner == self._roster.name

    def _is_next(self, noted: Noted) -> bool:
        owner, successor = _read(noted)
        return bool(owner) and successor == self._roster.name

    def _is_ours(self, noted: Noted) -> bool:
        """Say whether this replica may take the shard now."""
        owner, successor = _read(noted)
        mine = self._roster.name
        led = bool(owner) and (self._roster.is_alive(owner) or now() - noted.at < LEASE_S)
        if owner != mine and led:
            self._vacant_since = None
            return False
        if self._roster.leaving:
            return False
        if mine in {owner, successor}:  # passed on to us, or a term of ours did not give it back
            return True
        self._vacant_since = self._vacant_since or now()
        if now() - self._vacant_since > GRACE_S:
            return True
        awaited = bool(successor) and self._roster.is_alive(successor)
        return not awaited and self._turn(self._roster.present) == mine

    def _heir(self) -> str:
        heir = self._turn(self._roster.settled or self._roster.present)
        return "" if heir == self._roster.name else heir

    def _turn(self, candidates: AbstractSet[str]) -> str:
        """Return who of the candidates should lead; this replica when there are none."""
        target = placed(self._shards, candidates, self._owners())
        return target.get(self._shard, self._roster.name)

    def _owners(self) -> dict[Shard, str]:
        words = {shard: _read(self._board.at(_key(shard))) for shard in range(self._shards)}
        return {
            shard: it.owner
            for shard, it in words.items()
            if it.owner and self._roster.is_alive(it.owner)
        }

    async def _warm(self, warm_up: WarmUp) -> None:
        while True:
            try:
                await warm_up(lambda: self._roster.stand_by(self._shard))
            except Exception as trouble:  # noqa: BLE001 - who leads goes on; we try again
                log.warning("not warm", extra={"shard": self._shard, "cause": cause_of(trouble)})
            self._roster.stand_down(self._shard)
            await asyncio.sleep(_AFTER_TROUBLE_S)

    async def _write(self, words: _Words, last: int) -> None:
        value = ">".join(words) if words.successor else words.owner
        self._revision = await self._board.write(_key(self._shard), value.encode(), last=last)
        self._named = words.successor


def _judge(key: str, value: bytes) -> object:
    """Read what stands under a key as whoever looks for it does."""
    return said_in(value) if key.startswith(KEY) else value.decode()


def _key(shard: Shard) -> str:
    return f"shard-{shard}"


def _read(noted: Noted) -> _Words:
    owner, _, successor = noted.value.decode().partition(">")
    return _Words(owner, successor)
