"""What a shard begins with: the last snapshot and the journal behind it, or nobody leads it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any, cast

import pytest

from services.dispatch.adapters import objects
from services.dispatch.adapters.archive import BUCKET as ARCHIVE
from services.dispatch.adapters.logs import JOURNAL, JetStreamJournal, journal_subject
from services.dispatch.adapters.objects import stored
from services.dispatch.adapters.records import encode_record
from services.dispatch.adapters.snapshots import BUCKET, ObjectStoreSnapshots
from services.dispatch.domain.decisions import QueueModeSet
from services.dispatch.domain.inputs import QueueMode
from services.dispatch.domain.state import State
from services.dispatch.use_cases.fold import Fold
from services.dispatch.use_cases.ports import (
    Fenced,
    Ports,
    Position,
    SnapshotLost,
    Step,
    TooLarge,
    Torn,
    Unknown,
)
from services.kernel.bus import Bus, Overtaken, connected
from services.kernel.tail import Tailed, tail
from services.kernel.wire import Outgoing
from tests.chaos.proxy import wire
from tests.servers import NatsServer

SHARD = 5


def records(count: int, since: bytes = b"") -> list[tuple[bytes, bytes]]:
    """Make records that go on from a chain, each with the chain after it."""
    made = []
    for number in range(1, count + 1):
        steps = [Step(number, number, (QueueModeSet("acme", f"q-{number}", QueueMode.PAUSED),))]
        data, since = encode_record(number, steps, chain=since, emitted=0, owner_id="one")
        made.append((data, since))
    return made


async def written(bus: Bus, *of: tuple[bytes, bytes]) -> Position:
    """Write records into the journal and return the position behind the last."""
    position = Position()
    for data, chain in of:
        ack = await bus.js.publish(journal_subject(SHARD), data)
        position = Position(ack.seq, position.cursor + 1, chain)
    return position


def fold(bus: Bus) -> Fold:
    """Begin as a router does."""
    ports: Any = Ports(
        inputs=cast(Any, None),
        journal=JetStreamJournal(bus, "one"),
        snapshots=ObjectStoreSnapshots(bus),
        outlets=cast(Any, None),
        leases=cast(Any, None),
        clock=lambda: 0,
    )
    return Fold(ports, SHARD)


async def damaged(bus: Bus, *buckets: str) -> None:
    """Make every object of the buckets unreadable."""
    for bucket in buckets:
        info = await bus.js.stream_info(f"OBJ_{bucket}", subjects_filter=f"$O.{bucket}.M.>")
        for subject in info.state.subjects or {}:
            await bus.js.publish(subject, b"{}")


async def parts_lost(bus: Bus, bucket: str) -> None:
    await bus.js.purge_stream(f"OBJ_{bucket}", subject=f"$O.{bucket}.C.>")


def queues(of: Fold) -> Sequence[str]:
    """Return what was folded in: each record pauses one queue."""
    return sorted(of.state.tenant("acme").modes)


async def snapshot_of_two(bus: Bus, *, archived_at: int = 2) -> None:
    """Let a shard be saved behind its second record, and archived there or behind the first."""
    one, two = records(2)
    snapshots = ObjectStoreSnapshots(bus)
    for number, record in enumerate((one, two), 1):
        position = await written(bus, record)
        if number >= archived_at:
            folded = fold(bus)
            await folded.catch_up()
            await snapshots.save(SHARD, folded.state, position)
    kept = await bus.js.stream_info(f"OBJ_{ARCHIVE}", subjects_filter=">")
    assert len(kept.state.subjects or {}) == 2, "one object: its part and what is said of it"


async def test_a_slow_bus_is_not_taken_for_a_damaged_snapshot(
    private_nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection lost in mid-read gave an older state, or none, and had the journal purged."""
    async with (
        wire(private_nats.port) as slow,
        connected(f"nats://127.0.0.1:{slow.port}", name="dispatch") as bus,
    ):
        await snapshot_of_two(bus)
        slow.slow(0.3)
        monkeypatch.setattr(objects, "PART_WITHIN_S", 0.4)
        with pytest.raises(Unknown):
            await fold(bus).catch_up()
        slow.heal()
        monkeypatch.undo()
        folded = fold(bus)
        await folded.catch_up()
        assert queues(folded) == ["q-1", "q-2"]


async def test_a_snapshot_that_is_replaced_while_it_is_read_is_read_again(
    private_nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(bus: Bus, *of: Any, **how: Any) -> AsyncGenerator[list[Tailed], None]:
        await ObjectStoreSnapshots(bus).save(SHARD, State(), Position(3))
        async for batch in tail(bus, *of, **how):
            yield batch

    async with connected(private_nats.url, name="dispatch") as bus:
        await snapshot_of_two(bus)
        monkeypatch.setattr(objects, "tail", late)
        with pytest.raises(Unknown):
            await stored(bus, BUCKET, f"shard-{SHARD}")
        monkeypatch.undo()
        assert (await ObjectStoreSnapshots(bus).load(SHARD)).position.sequence == 3


async def test_a_snapshot_of_which_a_part_is_lost_is_passed_over_without_waiting(
    private_nats: NatsServer,
) -> None:
    """The client of the bus waits for ever for such a part."""
    async with connected(private_nats.url, name="dispatch") as bus:
        await snapshot_of_two(bus)
        await parts_lost(bus, BUCKET)
        async with asyncio.timeout(5):
            assert await stored(bus, BUCKET, f"shard-{SHARD}") == b""


@pytest.mark.parametrize("left", [0, 1])
async def test_a_shard_is_not_led_with_nothing_in_place_of_its_damaged_snapshot(
    private_nats: NatsServer, left: int
) -> None:
    """A quiet shard's journal ages: it was led with nothing, which was saved over the snapshot."""
    async with connected(private_nats.url, name="dispatch") as bus:
        await snapshot_of_two(bus)
        await bus.js.purge_stream(JOURNAL, subject=journal_subject(SHARD), keep=left)
        await damaged(bus, BUCKET, ARCHIVE)
        with pytest.raises(SnapshotLost):
            await fold(bus).catch_up()


@pytest.mark.parametrize("left", [0, 1])
async def test_a_shard_is_not_led_with_an_older_state_than_its_damaged_snapshot_had(
    private_nats: NatsServer, left: int
) -> None:
    async with connected(private_nats.url, name="dispatch") as bus:
        await snapshot_of_two(bus, archived_at=1)
        third = records(3)[2]
        await written(bus, third)
        await bus.js.purge_stream(JOURNAL, subject=journal_subject(SHARD), keep=left)
        await damaged(bus, BUCKET)
        with pytest.raises(SnapshotLost):
            await fold(bus).catch_up()


async def test_a_damaged_snapshot_is_replaced_by_an_older_one_and_all_that_was_decided_since(
    private_nats: NatsServer,
) -> None:
    async with connected(private_nats.url, name="dispatch") as bus:
        await snapshot_of_two(bus, archived_at=1)
        await bus.js.purge_stream(JOURNAL, subject=journal_subject(SHARD), keep=1)
        await damaged(bus, BUCKET)
        folded = fold(bus)
        await folded.catch_up()
        assert queues(folded) == ["q-1", "q-2"]


async def test_a_damaged_snapshot_is_not_missed_where_the_whole_journal_is_kept(
    private_nats: NatsServer,
) -> None:
    async with connected(private_nats.url, name="dispatch") as bus:
        await snapshot_of_two(bus)
        await damaged(bus, BUCKET, ARCHIVE)
        folded = fold(bus)
        await folded.catch_up()
        assert queues(folded) == ["q-1", "q-2"]


async def test_a_record_that_is_lost_is_missed_however_late_the_others_are_read(
    private_nats: NatsServer,
) -> None:
    """A standby reads what comes ten times a second: each time it forgot what it passed over."""
    first, _lost, *others = records(4)
    async with connected(private_nats.url, name="dispatch") as bus:
        standby = fold(bus)
        await written(bus, first)
        await standby.catch_up()
        await written(bus, others[0])
        await standby.catch_up()
        await written(bus, others[1])
        for _ in range(2):
            with pytest.raises(Torn):
                await standby.catch_up()


async def test_what_no_message_can_hold_is_refused_before_it_is_sent(bus: Bus) -> None:
    """The bus closes the connection over it, which read as a bus that does not answer."""
    journal = JetStreamJournal(bus, "one")
    half = (QueueModeSet("acme", "q" * (bus.nc.max_payload // 2), QueueMode.PAUSED),)
    steps = [Step(1, 1, half), Step(2, 2, half)]
    with pytest.raises(TooLarge):
        await journal.append(SHARD, 2, steps, since=Position(), emitted=0, goes_on=False)
    first = await journal.append(SHARD, 1, steps[:1], since=Position(), emitted=0, goes_on=True)
    second = await journal.append(SHARD, 2, steps[1:], since=first, emitted=0, goes_on=False)
    behind = fold(bus)
    await behind.catch_up()
    assert (behind.position.sequence, behind.position.cursor) == (second.sequence, 2)


async def test_a_record_whose_ack_was_lost_is_ours_and_a_rivals_is_not(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent again then, and refused: what stands there is asked."""
    append, steps = Bus.append, [Step(1, 1, (QueueModeSet("acme", "q", QueueMode.PAUSED),))]

    async def sent_again(self: Bus, message: Outgoing, *, after: int) -> int:
        with suppress(Overtaken):
            await append(self, message, after=after)
        return await append(self, message, after=after)

    monkeypatch.setattr(Bus, "append", sent_again)
    ours, rival = JetStreamJournal(bus, "one"), JetStreamJournal(bus, "two")
    foreign = await bus.js.publish(journal_subject(SHARD), b"foreign")
    first = await ours.append(SHARD, 1, steps, since=Position(), emitted=0, goes_on=False)
    assert first.sequence == await ours.end(SHARD) == foreign.seq + 1
    with pytest.raises(Fenced):  # it would decide the same, and is not the one who did
        await rival.append(SHARD, 1, steps, since=Position(), emitted=0, goes_on=False)
    second = await ours.append(SHARD, 2, steps, since=first, emitted=0, goes_on=False)
    assert second.sequence == await ours.end(SHARD) == foreign.seq + 2
