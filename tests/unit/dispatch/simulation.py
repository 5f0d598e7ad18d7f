"""The loop of a shard in a world of chance: virtual time, one seed, one history.

Processes die and freeze between any two steps and at any await, requests and acks get lost, the
clocks differ, and some worlds have no leases at all. What is left is audited like the real thing.
"""

import asyncio
import selectors
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.adapters.events import event_of
from services.dispatch.adapters.inputs import decode_input
from services.dispatch.adapters.records import decode_record, encode_record
from services.dispatch.adapters.snapshots import read_snapshot, write_snapshot
from services.dispatch.domain.decisions import Answered
from services.dispatch.domain.state import State
from services.dispatch.use_cases.lead import Lead
from services.dispatch.use_cases.ports import (
    Entry,
    Fenced,
    Outlet,
    Ports,
    Position,
    Record,
    Shard,
    Step,
    Unknown,
)
from services.kernel.wire import subject_of
from tests.faults.journal_reader import Stored

NINE = 1_767_603_600_000
LEASE_S = 1.5


class Killed(BaseException):
    """The process is no more: nothing of it runs on."""


class _Leap(selectors.SelectSelector):
    """Nothing ever comes from outside; waiting is only moving the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits for somebody"
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now


class World:
    """What outlives processes: the logs, the events, the snapshots, the leases."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.inputs: list[Stored] = []
        self.records: list[Stored] = []
        self.events: list[Stored] = []
        self.snapshot = b""
        self.lease: tuple[str, float] = ("", 0.0)
        self.leased = seed % 3 != 0
        self.calm = False
        self.fenced = 0
        self.heard: Callable[[Stored], None] = lambda _: None
        self.answered: Callable[[wire.Answered, str], None] = lambda *_: None
        self.arrival = asyncio.Event()
        self._ids: set[str] = set()

    def now(self) -> int:
        return NINE + int(asyncio.get_running_loop().time() * 1000)

    def take_in(self, it: wire.Input) -> None:
        data = it.SerializeToString()
        self.inputs.append(Stored(len(self.inputs) + 1, "dispatch.in.0", {}, data, self.now()))
        self.arrival.set()
        self.arrival = asyncio.Event()

    def commit(self, data: bytes) -> int:
        # Other shards use the same stream: sequences have gaps.
        last = self.records[-1].sequence if self.records else 0
        sequence = last + self.dice.randint(1, 3)
        self.records.append(Stored(sequence, "dispatch.journal.0", {}, data, self.now()))
        return sequence

    def publish(self, event: Stored) -> None:
        if event.headers["ce-id"] in self._ids:
            return
        self._ids.add(event.headers["ce-id"])
        self.events.append(event)
        self.heard(event)


class Process:
    """One process that leads: all ports of `Lead`, until it dies."""

    def __init__(self, world: World, name: str, fate: tuple[str, int, str]) -> None:
        self.world, self.name = world, name
        self._where, self._left, self._how = fate
        self._dead = False
        self._asleep_until = 0.0
        self._skew = world.dice.randint(-40, 40)

    def ports(self) -> Ports:
        return Ports(self, self, self, self, self, self.clock, self.checkpoint)

    def clock(self) -> int:
        return self.world.now() + self._skew

    def checkpoint(self, step: str) -> None:
        if step == self._where and not self.world.calm:
            self._left -= 1
            if self._left == 0:
                self._meet_fate()
        self._breathe()

    def _meet_fate(self) -> None:
        if self._how == "dies":
            self._dead = True
        else:
            self._asleep_until = asyncio.get_running_loop().time() + 4.0

    def _breathe(self) -> None:
        if self._dead:
            raise Killed

    async def hop(self) -> None:
        """Cross the network, or the grave."""
        self._breathe()
        await asyncio.sleep(self.world.dice.random() * 0.004)
        if self._where == "anywhere" and not self.world.calm:
            self._left -= 1
            if self._left == 0:
                self._meet_fate()
        rest = self._asleep_until - asyncio.get_running_loop().time()
        if rest > 0:
            await asyncio.sleep(rest)
        self._breathe()

    # InputLog

    async def follow(self, _: Shard, after: int) -> AsyncGenerator[list[Entry], None]:
        while True:
            await self.hop()
            batch = self.world.inputs[after : after + self.world.dice.randint(1, 5)]
            if batch:
                yield [Entry(it.sequence, it.at, decode_input(it.data)) for it in batch]
                after = batch[-1].sequence
            else:
                await self.world.arrival.wait()

    # Journal

    async def read(self, _: Shard, after: int) -> AsyncGenerator[list[Record], None]:
        await self.hop()
        for it in [it for it in self.world.records if it.sequence > after]:
            yield [decode_record(it.sequence, it.data)]
        await self.hop()

    async def end(self, _: Shard) -> int:
        await self.hop()
        return self.world.records[-1].sequence if self.world.records else 0

    async def append(
        self, _: Shard, cursor: int, steps: Sequence[Step], *, since: Position, emitted: int
    ) -> Position:
        data, chain = encode_record(
            cursor, steps, chain=since.chain, emitted=emitted, owner_id=self.name
        )
        await self.hop()
        luck = 1.0 if self.world.calm else self.world.dice.random()
        if luck < 0.01:
            raise Unknown
        if self.refuses(since):
            self.world.fenced += 1
            raise Fenced
        sequence = self.world.commit(data)
        await self.hop()
        if luck < 0.03:
            raise Unknown
        return Position(sequence, cursor, chain, emitted)

    def refuses(self, since: Position) -> bool:
        last = self.world.records[-1].sequence if self.world.records else 0
        return last != since.sequence

    # Snapshots

    async def load(self, _: Shard) -> tuple[State, Position] | None:
        await self.hop()
        return read_snapshot(self.world.snapshot) if self.world.snapshot else None

    def save(self, _: Shard, state: State, position: Position) -> Coroutine[Any, Any, None]:
        return self._save(write_snapshot(state, position))

    async def _save(self, data: bytes) -> None:
        await self.hop()
        self.world.snapshot = data

    # Leases

    @asynccontextmanager
    async def held(self, _: Shard) -> AsyncIterator[Callable[[], bool]]:
        loop, world = asyncio.get_running_loop(), self.world
        while world.leased:
            await self.hop()
            owner, renewed = world.lease
            if owner in {"", self.name} or loop.time() - renewed > LEASE_S:
                break
            await asyncio.sleep(0.2)
        world.lease = (self.name, loop.time())
        renewing = asyncio.create_task(self._renew())
        try:
            yield lambda: not world.leased or not renewing.done()
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            if world.lease[0] == self.name and not self._dead:
                world.lease = ("", 0.0)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            await self.hop()
            if self.world.lease[0] != self.name:
                return
            self.world.lease = (self.name, asyncio.get_running_loop().time())

    # Outlets

    @asynccontextmanager
    async def open(self, _: Shard, emitted: int) -> AsyncIterator[Outlet]:
        outlet = SimulatedOutlet(self, emitted)
        sending = asyncio.create_task(outlet.send())
        try:
            yield outlet
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


class SimulatedOutlet:
    """Sends in order; an ack may get lost, and then it sends again."""

    def __init__(self, process: Process, emitted: int) -> None:
        self._process = process
        self._emitted = emitted
        self._queue: list[Stored | int] = []
        self._more = asyncio.Event()

    @property
    def emitted(self) -> int:
        return self._emitted

    async def emit(self, record: int, steps: Sequence[Step]) -> None:
        number = 0
        for decision in (decision for step in steps for decision in step.decisions):
            if isinstance(decision, Answered):
                if self._process.world.calm or self._process.world.dice.random() < 0.9:
                    told = wire.Answered(
                        tenant_id=decision.tenant_id,
                        request_id=decision.request_id,
                        reason=decision.reason,
                    )
                    self._process.world.answered(told, decision.reply_to)
            elif (event := event_of(decision)) is not None:
                number += 1
                headers = {
                    "ce-id": f"d0-{record}-{number}",
                    "ce-type": event.DESCRIPTOR.full_name,
                }
                data = event.SerializeToString()
                self._queue.append(Stored(0, subject_of(event), headers, data))
        self._queue.append(record)
        self._more.set()

    async def flushed(self) -> None:
        while self._queue:
            await self._process.hop()

    async def send(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._queue:
                first = self._queue[0]
                if isinstance(first, int):
                    self._emitted = first
                else:
                    await self._process.hop()
                    self._process.world.publish(first)
                    if not self._process.world.calm and self._process.world.dice.random() < 0.05:
                        continue  # the ack was lost
                self._queue.pop(0)


def lead(process: Process) -> Coroutine[Any, Any, None]:
    return Lead(process.ports())(0)
