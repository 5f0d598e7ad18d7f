"""The logs as evidence, read from the streams."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

from services.dispatch.domain.state import State
from services.dispatch.use_cases.ports import Position, Record
from services.kernel.bus import Bus
from services.kernel.tail import Tailed, tail, until_now
from services.kernel.unreadable import understood

from .chain import Chain
from .logs import JOURNAL, journal_subject, shard_of
from .records import decode_record
from .snapshots import ObjectStoreSnapshots


class JetStreamEvidence:
    """See the port."""

    def __init__(self, bus: Bus, shards: int) -> None:
        self._bus = bus
        self._shards = shards
        self._snapshots = ObjectStoreSnapshots(bus)

    async def naming(
        self, tenant_id: str, task_id: str, since: int
    ) -> AsyncGenerator[Record, None]:
        wanted = task_id.encode()
        begin = datetime.fromtimestamp(since / 1000, UTC)
        async with aclosing(self._journal(tenant_id, since=begin)) as journal:
            async for message in journal:
                if wanted in message.data and (record := _read(message)) is not None:
                    yield record

    async def records(self, tenant_id: str, after: Position) -> AsyncGenerator[Record, None]:
        chain = Chain(JOURNAL, after)
        async with aclosing(self._journal(tenant_id, after=after.sequence)) as journal:
            async for message in journal:
                yield chain.follow(message.sequence, message.data)

    async def before(self, tenant_id: str, record: int, at: int) -> tuple[State, Position] | None:
        return await self._snapshots.before(shard_of(tenant_id, self._shards), record, at)

    async def _journal(
        self, tenant_id: str, *, after: int = 0, since: datetime | None = None
    ) -> AsyncGenerator[Tailed, None]:
        """Yield what the journal of a tenant's shard holds, up to its present end."""
        subjects = [journal_subject(shard_of(tenant_id, self._shards))]
        reading = tail(self._bus, JOURNAL, subjects=subjects, after=after, since=since)
        async with aclosing(until_now(reading)) as batches:
            async for batch in batches:
                for message in batch:
                    yield message


def _read(message: Tailed) -> Record | None:
    read = partial(decode_record, message.sequence, message.data)
    return understood(JOURNAL, read, sequence=message.sequence)
