"""One process that leads, as `Lead` sees the world: every port, over a network."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.adapters.chain import Chain
from services.dispatch.adapters.events import events_of
from services.dispatch.adapters.inputs import decode_input, encode_input
from services.dispatch.adapters.records import decode_record, encode_record
from services.dispatch.adapters.snapshots import read_snapshot, write_snapshot
from services.dispatch.domain.decisions import Answered
from services.dispatch.domain.inputs import Command, Fact
from services.dispatch.domain.state import State
from services.dispatch.use_cases.foresee import Foresee
from services.dispatch.use_cases.lead import Lead
from services.dispatch.use_cases.ports import (
    Entry,
    Fenced,
    Outlet,
    Ports,
    Position,
    Record,
    Shard,
    Snapshot,
    Step,
    TooLarge,
    Unknown,
    WarmUp,
)
from services.dispatch.use_cases.ports import Lease as Right
from services.kernel.wire import subject_of
from tests.faults.journal_reader import Stored

from .bus import Bus, Conflict
from .network import Network

LEASE_S, RENEW_S, LOOK_S = 1.25, 0.4, 0.15
PASSES_ON = 0.2
"""How often an owner that renews begins to pass on."""
RESEND_S = 0.5
LARGEST_RECORD = 512
"""Bytes: so small that what is decided at once often needs several."""


class Router:
    """All ports of `Lead`, on one machine."""

    def __init__(self, bus: Bus, network: Network, name: str, *, leased: bool) -> None:
        self.bus, self.network, self.name = bus, network, name
        self._leased = leased
        self._skew = bus.dice.randint(-40, 40)

    def lead(self) -> Coroutine[Any, Any, None]:
        foresee = Foresee(SimulatedIntake(self), self.clock)
        return Lead(Ports(self, self, self, self, self, self.clock, duties=(foresee,)))(0)

    def clock(self) -> int:
        return self.bus.now() + self._skew

    # InputLog

    async def follow(self, _: Shard, after: int) -> AsyncGenerator[list[Entry], None]:
        while True:
            arrival = self.bus.arrival
            batch = await self.network.ask_until_answered(partial(self._inputs, after))
            if batch:
                yield [Entry(it.sequence, it.at, decode_input(it.data)) for it in batch]
                after = batch[-1].sequence
            else:
                await arrival.wait()

    def _inputs(self, after: int) -> list[Stored]:
        behind = [it for it in self.bus.inputs[-200:] if it.sequence > after]
        if len(behind) == 200:
            behind = [it for it in self.bus.inputs if it.sequence > after]
        return behind[: self.bus.dice.randint(1, 5)]

    # Journal

    async def read(self, _: Shard, after: Position) -> AsyncGenerator[list[Record], None]:
        chain = Chain("journal", after)
        async for records in self._behind(after.sequence):
            yield [chain.follow(it.sequence, it.data) for it in records]

    async def untold(self, _: Shard, position: Position) -> AsyncGenerator[list[Record], None]:
        async for records in self._behind(position.emitted):
            yield [
                decode_record(it.sequence, it.data)
                for it in records
                if it.sequence <= position.sequence
            ]

    async def _behind(self, after: int) -> AsyncGenerator[list[Stored], None]:
        while True:
            records, more = await self.network.ask_until_answered(partial(self._records, after))
            if records:
                yield records
                after = records[-1].sequence
            if not more:
                return

    def _records(self, after: int) -> tuple[list[Stored], bool]:
        behind = [it for it in self.bus.records if it.sequence > after]
        return behind[:100], len(behind) > 100

    async def begin(self, _: Shard) -> int:
        return await self.network.ask(self.bus.begin)

    async def end(self, _: Shard) -> int:
        return await self.network.ask(self.bus.end)

    async def append(
        self,
        _: Shard,
        cursor: int,
        steps: Sequence[Step],
        *,
        since: Position,
        emitted: int,
        goes_on: bool,
    ) -> Position:
        data, chain = encode_record(
            cursor,
            steps,
            chain=since.chain,
            emitted=emitted,
            owner_id=self.name,
            goes_on=goes_on,
        )
        if len(data) > LARGEST_RECORD and len(steps) > 1:
            self.bus.too_large += 1
            raise TooLarge(since.sequence)
        try:
            sequence = await self.network.ask(lambda: self.bus.commit(data, since.sequence))
        except Conflict as refused:
            raise Fenced from refused
        return Position(sequence, cursor, chain, emitted)

    # Snapshots

    async def load(self, _: Shard) -> Snapshot:
        data = await self.network.ask(lambda: self.bus.snapshot)
        return Snapshot(*read_snapshot(data), newest=True)

    def save(self, _: Shard, state: State, position: Position) -> Coroutine[Any, Any, None]:
        return self._save(write_snapshot(state, position))

    async def _save(self, data: bytes) -> None:
        def kept() -> None:
            self.bus.snapshot = data

        await self.network.ask(kept)

    # Leases

    @asynccontextmanager
    async def held(self, _: Shard, warm_up: WarmUp) -> AsyncIterator[Right]:
        if not self._leased:
            yield Always()
            return
        lease = Lease(self)
        await lease.take(warm_up)
        renewing = asyncio.create_task(lease.renew())
        try:
            yield lease
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await lease.release()

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


class SimulatedIntake:
    """What the leader itself foresees goes in like any other fact."""

    def __init__(self, router: Router) -> None:
        self._bus, self._network = router.bus, router.network

    async def append(self, it: Fact | Command, dedup_id: str) -> None:
        data = encode_input(it)
        await self._network.ask(lambda: self._bus.take_in(data, dedup_id))


class Always:
    """Everybody's right to lead."""

    successor = ""

    def holds(self) -> bool:
        return True


class Lease:
    """Compare-and-set on one key; time is only how long a revision stands unchanged.

    Now and then the owner feels like passing on: it names somebody who waits, goes on until they
    are warm, and stops. `a>b`: a leads until b is warm; `>b`: a has stopped.
    """

    def __init__(self, router: Router) -> None:
        self._bus, self._ask, self._owner = router.bus, router.network.ask, router.name
        self._revision, self._renewed_at = 0, 0.0
        self._lost = False
        self._named = ""

    def holds(self) -> bool:
        return not self._lost and self._now() < self._renewed_at + LEASE_S

    @property
    def successor(self) -> str:
        return self._named if self._named in self._bus.warm else ""

    async def take(self, warm_up: WarmUp) -> None:
        seen, since = -1, self._now()
        warming: asyncio.Task[None] | None = None
        self._bus.waiting.add(self._owner)
        try:
            while True:
                try:
                    revision, words = await self._ask(lambda: self._bus.lease)
                    if revision != seen:
                        seen, since = revision, self._now()
                    owner, _, successor = words.partition(">")
                    free = not owner and successor in {"", self._owner}
                    if free or self._now() - since > LEASE_S:
                        await self._write(self._owner, revision)
                        return
                    if successor == self._owner and warming is None:
                        warming = asyncio.create_task(self._warm(warm_up))
                except (Unknown, Conflict):
                    seen = -1
                await asyncio.sleep(LOOK_S)
        finally:
            self._bus.waiting.discard(self._owner)
            self._bus.warm.discard(self._owner)
            if warming is not None:
                warming.cancel()
                await asyncio.gather(warming, return_exceptions=True)

    async def _warm(self, warm_up: WarmUp) -> None:
        while True:
            with suppress(Unknown):
                await warm_up(lambda: self._bus.warm.add(self._owner))
            await asyncio.sleep(LOOK_S)

    async def renew(self) -> None:
        while not self._lost:
            await asyncio.sleep(RENEW_S)
            if not self._named and self._bus.waiting and self._bus.dice.random() < PASSES_ON:
                self._named = self._bus.dice.choice(sorted(self._bus.waiting))
            words = f"{self._owner}>{self._named}" if self._named else self._owner
            try:
                await self._write(words, self._revision)
            except Conflict:
                self._lost = True
            except Unknown:
                with suppress(Unknown):
                    self._revision, words = await self._ask(lambda: self._bus.lease)
                    self._lost = words.partition(">")[0] != self._owner

    async def release(self) -> None:
        with suppress(Unknown, Conflict):
            if self.holds():
                passed_on = f">{self.successor}" if self.successor else ""
                await self._write(passed_on, self._revision)
                self._bus.passed_on += bool(passed_on)

    async def _write(self, words: str, expected: int) -> None:
        asked_at = self._now()
        self._revision = await self._ask(lambda: self._bus.write_lease(words, expected))
        self._renewed_at = asked_at

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class SimulatedOutlet:
    """Sends in order, each until it is taken."""

    def __init__(self, router: Router, emitted: int) -> None:
        self._bus, self._network = router.bus, router.network
        self._emitted = emitted
        self._queue: list[Stored | int] = []
        self._more = asyncio.Event()
        self._out = asyncio.Event()

    @property
    def emitted(self) -> int:
        return self._emitted

    async def emit(self, record: int, steps: Sequence[Step]) -> None:
        number = 0
        for decision, event in (pair for step in steps for pair in events_of(step.decisions)):
            if isinstance(decision, Answered):
                self._answer(decision)
            elif event is not None:
                number += 1
                headers = {
                    "ce-id": f"d0-{record}-{number}",
                    "ce-type": event.DESCRIPTOR.full_name,
                }
                data = event.SerializeToString()
                self._queue.append(Stored(0, subject_of(event), headers, data))
        self._queue.append(record)
        self._more.set()

    def _answer(self, decision: Answered) -> None:
        told = wire.Answered(
            tenant_id=decision.tenant_id,
            request_id=decision.request_id,
            reason=decision.reason,
            count=decision.count,
        )
        self._network.tell(lambda: self._bus.answered(told, decision.reply_to))

    async def flushed(self) -> None:
        while self._queue:
            self._out.clear()
            await self._out.wait()

    async def send(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._queue:
                first = self._queue[0]
                if isinstance(first, int):
                    self._emitted = first
                else:
                    await self._publish(first)
                self._queue.pop(0)
                self._out.set()

    async def _publish(self, event: Stored) -> None:
        await self._network.ask_until_answered(lambda: self._bus.publish(event))
