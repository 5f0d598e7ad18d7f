"""Snapshots of the past are found again by the record or the moment they must not pass."""

import pytest

from services.dispatch.adapters import archive
from services.dispatch.adapters.archive import SnapshotArchive
from services.dispatch.adapters.snapshots import ObjectStoreSnapshots, read_snapshot
from services.dispatch.domain.state import State
from services.dispatch.use_cases.ports import Position
from services.kernel.bus import Bus

END = 2**62


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "KEEP_EVERY_RECORDS", 100)


async def saved(bus: Bus, *records: int) -> SnapshotArchive:
    """Save shard 3 at these records, each as many seconds after the first moment."""
    snapshots = ObjectStoreSnapshots(bus)
    for record in records:
        await snapshots.save(3, State(at=record * 1000), Position(record))
    return SnapshotArchive(bus)


async def found(kept: SnapshotArchive, record: int, at: int = END, shard: int = 3) -> int:
    async for data in kept.before(shard, record, at):
        return read_snapshot(data)[1].sequence
    return 0


async def test_the_last_before_a_record_or_a_moment_is_found(bus: Bus) -> None:
    kept = await saved(bus, 100, 250, 400)
    assert [await found(kept, record) for record in (99, 100, 399, END)] == [0, 100, 250, 400]
    assert await found(kept, END, at=399_999) == 250
    assert await found(kept, END, at=99_999) == 0


async def test_another_shard_has_its_own(bus: Bus) -> None:
    kept = await saved(bus, 100)
    assert await found(kept, END, shard=4) == 0


async def test_not_every_snapshot_is_kept(bus: Bus) -> None:
    kept = await saved(bus, 100, 150, 199, 200)
    assert [await found(kept, record) for record in (150, 199, 200)] == [100, 100, 200]


async def test_nothing_is_found_where_nothing_is_kept(bus: Bus) -> None:
    assert await found(SnapshotArchive(bus), END) == 0
