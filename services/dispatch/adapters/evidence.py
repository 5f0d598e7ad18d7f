"""The logs as evidence, read from the streams."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.domain.state import State
from services.dispatch.use_cases.explain import Torn
from services.dispatch.use_cases.ports import Position, Record
from services.kernel.bus import Bus
from services.kernel.tail import Tailed, tail

from .archive import SnapshotArchive
from .logs import JOURNAL, journal_subject, shard_of
from .records import decode_record, follows
from .snapshots import ObjectStoreSnapshots, read_snapshot


class JetStreamEvidence:
    """See the port."""

    def __init__(self, bus: Bus, shards: int) -> None:
        self._bus = bus
        self._shards = shards
        self._snapshots = ObjectStoreSnapshots(bus)
        self._archive = SnapshotArchive(bus)

    async def naming(
        self, tenant_id: str, task_id: str, since: int
    ) -> AsyncGenerator[Record, None]:
        wanted = task_id.encode()
        begin = datetime.fromtimestamp(since / 1000, UTC)
        async with aclosing(self._journal(tenant_id, since=begin)) as journal:
            async for message in journal:
                if wanted in message.data:
                    yield decode_record(message.sequence, message.data)

    async def records(self, tenant_id: str, after: Position) -> AsyncGenerator[Record, None]:
        chain = after.chain
        async with aclosing(self._journal(tenant_id, after=after.sequence)) as journal:
            async for message in journal:
                if not follows(message.data, chain):
                    raise Torn
                record = decode_record(message.sequence, message.data)
                chain = record.position.chain
                yield record

    async def before(self, tenant_id: str, record: int, at: int) -> tuple[State, Position] | None:
        shard = shard_of(tenant_id, self._shards)
        data = await self._snapshots.saved(shard)
        last = wire.Snapshot.FromString(data)
        if not data or last.journal_sequence > record or last.at_ms > at:
            data = await self._archive.before(shard, record, at)
        return read_snapshot(data) if data else None

    async def _journal(
        self, tenant_id: str, *, after: int = 0, since: datetime | None = None
    ) -> AsyncGenerator[Tailed, None]:
        """Yield what the journal of a tenant's shard holds, up to its present end."""
        subjects = [journal_subject(shard_of(tenant_id, self._shards))]
        reading = tail(self._bus, JOURNAL, subjects=subjects, after=after, since=since)
        async with aclosing(reading) as batches:
            async for batch in batches:
                for message in batch:
                    yield message
                if not batch or batch[-1].pending == 0:
                    return
