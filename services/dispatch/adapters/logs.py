"""The two logs of a shard on JetStream."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from hashlib import blake2b

from nats.errors import Error
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from services.dispatch.domain.inputs import Command, Fact
from services.dispatch.use_cases.ports import (
    Entry,
    Fenced,
    Newer,
    Position,
    Record,
    Shard,
    Step,
    TooLarge,
    Unknown,
)
from services.kernel.bus import PUBLISH_TIMEOUT, Bus, BusUnavailable, Overtaken
from services.kernel.ids import new_id
from services.kernel.tail import Tailed, tail, until_now
from services.kernel.telemetry import traceparent
from services.kernel.unreadable import understood
from services.kernel.wire import Outgoing

from .chain import Chain, leading_to
from .inputs import decode_input, encode_input
from .records import encode_record
from .traces import Traces

INPUTS = "DISPATCH_IN"
JOURNAL = "DISPATCH_JOURNAL"
HEADERS_BYTES = 1024
"""What the bus may count beside a record: more than it does."""


def input_subject(shard: Shard) -> str:
    return f"dispatch.in.{shard}"


def journal_subject(shard: Shard) -> str:
    return f"dispatch.journal.{shard}"


def shard_of(tenant_id: str, shards: int) -> Shard:
    """Return the shard of a tenant: the same on every machine and in every version."""
    return int.from_bytes(blake2b(tenant_id.encode(), digest_size=8).digest()) % shards


class JetStreamInputLog:
    """See the port."""

    def __init__(self, bus: Bus, traces: Traces) -> None:
        self._bus = bus
        self._traces = traces

    async def follow(self, shard: Shard, after: int) -> AsyncGenerator[list[Entry], None]:
        subjects = [input_subject(shard)]
        async with aclosing(tail(self._bus, INPUTS, subjects=subjects, after=after)) as batches:
            async for batch in batches:
                for message in batch:
                    if parent := message.headers.get("traceparent"):
                        self._traces.note(shard, message.sequence, parent)
                yield [
                    self._entry(message.sequence, int(message.at.timestamp() * 1000), message.data)
                    for message in batch
                ]

    def _entry(self, sequence: int, at: int, data: bytes) -> Entry:
        return Entry(
            sequence, at, understood(INPUTS, partial(decode_input, data), sequence=sequence)
        )


class JetStreamIntake:
    """See the port. A tenant's inputs all go to one shard, for ever: the count is fixed.

    Without an id, what the client sends again is one input, and what is appended again another.
    """

    def __init__(self, bus: Bus, shards: int) -> None:
        self._bus = bus
        self._shards = shards

    async def append(self, it: Fact | Command, dedup_id: str) -> None:
        subject = input_subject(shard_of(it.tenant_id, self._shards))
        headers = {"Nats-Msg-Id": dedup_id or new_id()}
        if parent := traceparent():
            headers["traceparent"] = parent
        try:
            await self._bus.publish(Outgoing(subject, encode_input(it), headers))
        except (BusUnavailable, APIError) as silence:
            raise Unknown from silence


class JetStreamJournal:
    """See the port. The expected last sequence of the subject is what fences a stale leader."""

    def __init__(self, bus: Bus, owner_id: str) -> None:
        self._bus = bus
        self._owner_id = owner_id

    async def read(self, shard: Shard, after: Position) -> AsyncGenerator[list[Record], None]:
        chain = Chain(JOURNAL, after)
        async with aclosing(self._rest(shard, after.sequence)) as batches:
            async for batch in batches:
                yield [chain.follow(message.sequence, message.data) for message in batch]

    async def untold(self, shard: Shard, position: Position) -> AsyncGenerator[list[Record], None]:
        kept: list[Tailed] = []
        async with aclosing(self._rest(shard, position.emitted)) as batches:
            async for batch in batches:
                kept += (it for it in batch if it.sequence <= position.sequence)
        yield leading_to(position, kept)

    def _rest(self, shard: Shard, after: int) -> AsyncGenerator[list[Tailed], None]:
        """Yield what lies behind a sequence, up to the last there is."""
        return until_now(tail(self._bus, JOURNAL, subjects=[journal_subject(shard)], after=after))

    async def begin(self, shard: Shard) -> int:
        subject = journal_subject(shard)
        return await _sequence(self._bus.js.get_msg(JOURNAL, seq=1, subject=subject, next=True))

    async def end(self, shard: Shard) -> int:
        return await _sequence(self._bus.js.get_last_msg(JOURNAL, journal_subject(shard)))

    async def append(  # noqa: PLR0913 - as the port has it
        self,
        shard: Shard,
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
            owner_id=self._owner_id,
            goes_on=goes_on,
        )
        if len(data) > self._bus.nc.max_payload - HEADERS_BYTES:
            raise TooLarge(since.sequence)
        record = Outgoing(journal_subject(shard), data, {})
        last = since.sequence
        while True:
            try:
                sequence = await self._bus.append(record, after=last)
            except Overtaken:
                last, ours = await self._behind(shard, replace(since, sequence=last), data)
                if not ours:
                    continue
                sequence = last
            except (BusUnavailable, APIError) as silence:
                raise Unknown from silence
            return Position(sequence, cursor, chain, emitted, since.strays)

    async def _behind(self, shard: Shard, since: Position, data: bytes) -> tuple[int, bool]:
        """Return where what was written behind a position ends, and whether that is our record.

        An earlier try of ours may have been stored and its ack lost; what else there is, is
        foreign, or this raises Fenced. Raises Unknown.
        """
        chain, last = Chain(JOURNAL, since), since.sequence
        try:
            async with (
                asyncio.timeout(PUBLISH_TIMEOUT),
                aclosing(self._rest(shard, since.sequence)) as batches,
            ):
                async for batch in batches:
                    for message in batch:
                        if message.data == data:
                            return message.sequence, True
                        record = chain.follow(message.sequence, message.data)
                        if record.position.chain != since.chain:
                            raise Fenced
                        last = message.sequence
        except Newer as newer:
            raise Fenced from newer
        except TimeoutError as silence:
            raise Unknown from silence
        if last == since.sequence:
            raise Fenced
        return last, False


async def _sequence(asked: Awaitable[RawStreamMsg]) -> int:
    """Return where a message stands, 0 when there is none. Raises Unknown."""
    try:
        return (await asked).seq or 0
    except NotFoundError:
        return 0
    except (APIError, Error, TimeoutError, OSError) as silence:
        raise Unknown from silence
