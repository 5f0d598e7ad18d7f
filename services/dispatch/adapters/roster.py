"""Which replicas are there: each says so again and again, and whoever is silent is gone."""

import asyncio
import json
import logging
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import NamedTuple

from services.dispatch.use_cases.ports import Shard
from services.kernel.causes import cause_of

from .board import TROUBLE, Board, Noted, now

log = logging.getLogger(__name__)

KEY = "replica-"
LEASE_S = 1.25
"""A replica that has said nothing for this long is taken for dead."""
RENEW_S = 0.4
BLIND_S = 1.0
"""Who does not even see their own renewals for this long must not take others for dead."""
_TTL = {"Nats-TTL": "10s"}
_GOODBYE = {"KV-Operation": "PURGE", "Nats-Rollup": "sub", **_TTL}


class Said(NamedTuple):
    """What a replica says of itself."""

    standby: AbstractSet[Shard]
    leaving: bool


class Roster:
    def __init__(self, board: Board, name: str, settled_after_s: float) -> None:
        self._board = board
        self._settled_after_s = settled_after_s
        self._standby: set[Shard] = set()
        self._alive_until = 0.0
        self._news = asyncio.Event()
        self.name = name
        self.leaving = False

    @property
    def alive(self) -> bool:
        """Whether the others still take this replica for alive, for all it knows."""
        return now() < self._alive_until

    @property
    def present(self) -> AbstractSet[str]:
        """Who could lead: this replica and all that are alive, but for those who are leaving."""
        return self._those(0.0)

    @property
    def settled(self) -> AbstractSet[str]:
        """Who has been there for long enough that shards are moved to them."""
        return self._those(self._settled_after_s)

    def is_alive(self, name: str) -> bool:
        if name == self.name:
            return self.alive
        noted = self._board.at(KEY + name)
        return bool(noted.value) and self._recent(noted)

    def stands_by(self, name: str, shard: Shard) -> bool:
        """Whether a replica is warm: it could lead the shard at once."""
        return self.is_alive(name) and shard in _said(self._board.at(KEY + name)).standby

    def stand_by(self, shard: Shard) -> None:
        if shard not in self._standby:
            self._standby.add(shard)
            self._news.set()

    def stand_down(self, shard: Shard) -> None:
        self._standby.discard(shard)

    def leave(self) -> None:
        self.leaving = True
        self._news.set()

    async def announce(self) -> None:
        """Say that this replica is there, for ever, and at once when there is something new."""
        while True:
            self._news.clear()
            asked_at = now()
            said = {"standby": sorted(self._standby), "leaving": self.leaving}
            try:
                await self._board.write(KEY + self.name, json.dumps(said).encode(), headers=_TTL)
                self._alive_until = asked_at + LEASE_S
            except TROUBLE as trouble:
                log.debug("not announced", extra={"cause": cause_of(trouble)})
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S):
                    await self._news.wait()

    async def bye(self) -> None:
        with suppress(*TROUBLE):
            await self._board.write(KEY + self.name, b"", headers=_GOODBYE)

    def _those(self, age: float) -> AbstractSet[str]:
        others = {
            name
            for name, noted in self._board.under(KEY).items()
            if noted.value
            and self._recent(noted)
            and now() - noted.since >= age
            and not _said(noted).leaving
        }
        return (others | {self.name}) if not self.leaving else others - {self.name}

    def _recent(self, noted: Noted) -> bool:
        return now() - noted.at < LEASE_S or not self._board.sees


def said_in(value: bytes) -> Said:
    """Read what a replica says of itself; raises one of many things over what is none."""
    said = json.loads(value)
    standby = said["standby"]
    if not all(type(shard) is int for shard in standby):
        raise ValueError("no shard is called so")
    return Said(frozenset(standby), bool(said["leaving"]))


def _said(noted: Noted) -> Said:
    return said_in(noted.value)
