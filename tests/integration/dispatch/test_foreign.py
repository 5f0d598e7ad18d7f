"""What does not belong in the router's streams, buckets and objects stops nobody."""

from contextlib import suppress

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1.audit_service_pb2 import ListActsRequest

from services.dispatch.adapters.archive import BUCKET as ARCHIVE
from services.dispatch.adapters.logs import journal_subject, shard_of
from services.dispatch.adapters.records import next_chain
from services.dispatch.adapters.snapshots import BUCKET
from services.kernel.bus import Bus
from tests.integration.dispatch.centre import Centre, centre
from tests.integration.dispatch.test_audit import MODES, _three_acts
from tests.streams import until

JUNK = (b"", b"{}", b'{"stream":"SUBMISSIONS","seq":1}', b"\xff\xfe", b"\x1a\x10" + b"x" * 16)
SHARDS = 1


async def _rings(desk: Centre, task_id: str, agent_id: str) -> None:
    await desk.queue()
    await desk.works(agent_id)
    await desk.opens(task_id)
    await desk.heard("TaskOffered", task_id, agent_id)


async def test_the_leader_goes_on_behind_what_strangers_wrote_into_its_journal(
    desk: Centre, bus: Bus, tenant: str
) -> None:
    """It stepped down for ever, for all tenants of the shard, across restarts."""
    await _rings(desk, "c-1", "ana")
    for junk in JUNK:
        await bus.js.publish(journal_subject(shard_of(tenant, SHARDS)), junk)
    await desk.accept("ana", "c-1")
    await desk.heard("TaskAssigned", "c-1", "ana")


async def test_a_router_begins_behind_what_strangers_wrote_and_knows_what_was(
    nats_url: str, bus: Bus, tenant: str
) -> None:
    subject = journal_subject(shard_of(tenant, SHARDS))
    for junk in JUNK:
        await bus.js.publish(subject, junk)
    async with centre(nats_url, bus, tenant) as desk:
        await _rings(desk, "c-1", "ana")
    for junk in JUNK:
        await bus.js.publish(subject, junk)
        for store in (BUCKET, ARCHIVE):
            await bus.js.publish(f"$O.{store}.M.c2hhcmQtMA==", junk)
            await bus.js.publish(f"$O.{store}.M.nonsense", junk)
    for shard in range(SHARDS):
        await bus.js.publish(f"$KV.dispatch-leases.shard-{shard}", b"\xff>\xfe")
    for key, value in (
        ("replica-x", b"[]"),
        ("replica-y", b'{"standby":["a"],"leaving":false}'),
        ("replica-z", b"\xff"),
        ("evil", b"{}"),
    ):
        await bus.js.publish(f"$KV.dispatch-leases.{key}", value)
    async with centre(nats_url, bus, tenant) as desk:
        await desk.accept("ana", "c-1")
        await desk.heard("TaskAssigned", "c-1", "ana")


async def test_a_router_does_not_lead_over_what_a_newer_one_decided(
    nats_url: str, bus: Bus, tenant: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = wire.Record(steps=[wire.Step(decisions=[wire.Decision()])]).SerializeToString()
    data = body + wire.Record(chain=next_chain(b"", body)).SerializeToString()
    shard = shard_of(tenant, SHARDS)
    await bus.js.publish(journal_subject(shard), data)
    async with centre(nats_url, bus, tenant) as desk:
        await until(lambda: "a newer version wrote" in caplog.text, within=10)
        others = {it.shard for it in await desk.shards() if it.owner_id}
        assert shard not in others
    last = await bus.js.get_last_msg("DISPATCH_JOURNAL", journal_subject(shard))
    assert last.data == data


async def test_acts_are_listed_past_what_cannot_be_read(
    desk: Centre, bus: Bus, tenant: str
) -> None:
    """One such record, and the list was an error for 400 days."""
    subject = f"cc.{tenant}.dispatch.v1.supervisor.acted"
    for junk in JUNK:
        await bus.js.publish(subject, junk)
    await _three_acts(desk)
    for junk in JUNK:
        with suppress(TimeoutError):
            await bus.js.publish(subject, junk)
    assert len((await desk.acts("max", ListActsRequest())).acts) == len(MODES)
