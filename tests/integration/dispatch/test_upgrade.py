"""What an older replica cannot do during an upgrade is done when a newer one leads."""

import pytest
from centralita.directory.v1.events_pb2 import PresencePolicyChanged, UserChanged
from centralita.directory.v1.resources_pb2 import Capacity, PresencePolicy

from services.dispatch.adapters.directory import JetStreamDirectory
from services.dispatch.adapters.logs import JetStreamIntake, shard_of
from services.dispatch.domain.inputs import AgentConfigured
from services.dispatch.use_cases import remind
from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.ids import new_id
from services.kernel.wire import outgoing
from tests.integration.dispatch.centre import centre


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remind, "BEGIN_AFTER_S", 0.0)


async def _taken_by_an_older_replica(bus: Bus, durable: str) -> None:
    """Ack what the durable has, as if it had been handled."""
    handled = await bus.js.pull_subscribe_bind(durable, stream="DIRECTORY")
    for message in await handled.fetch(1, timeout=5):
        await message.ack_sync()


async def test_the_usual_capacity_survives_that_it_was_told_to_an_older_leader(
    nats_url: str, bus: Bus, tenant: str
) -> None:
    """An older leader passes over a kind of fact that it does not know: it was lost for good."""
    async with centre(nats_url, bus, tenant) as desk:
        await desk.queue()
    policy = PresencePolicy(chat_capacity=1)
    await desk.tell(PresencePolicyChanged(tenant_id=tenant, version=1, policy=policy))
    await _taken_by_an_older_replica(bus, "dispatch-configure-tenant")
    async with centre(nats_url, bus, tenant) as desk:
        await desk.decided("tenant_set")
        await desk.puts("ana")
        await desk.seen("ana", connected=True, receive_new=True)
        await desk.opens("c-1")
        await desk.heard("TaskOffered", "c-1", "ana")
        await desk.opens("c-2")
        await desk.heard("TaskQueued", "c-2")
        assert (await desk.wait("c-2")).position == 1
        await desk.audited()


async def test_what_an_older_replica_read_in_part_is_read_whole_by_the_next(
    nats_url: str, bus: Bus, tenant: str
) -> None:
    """It did not know that somebody takes nothing, and had the version: so it stayed."""
    async with centre(nats_url, bus, tenant) as desk:
        await JetStreamIntake(bus, 1).append(
            AgentConfigured(tenant, "ana", 1, queue_ids=("sales",), capacity=None), dedup_id=""
        )
        await desk.decided("agent_set")
    await desk.puts("ana", capacity=Capacity(chats=0, calls=False))
    await _taken_by_an_older_replica(bus, "dispatch-configure-agent")
    async with centre(nats_url, bus, tenant) as desk:
        await desk.decided("agent_set_taking_nothing")
        await desk.audited()


async def test_a_leader_compares_its_own_shard_past_what_cannot_be_read(
    bus: Bus, tenant: str
) -> None:
    shards = 4
    directory = JetStreamDirectory(bus, JetStreamIntake(bus, shards), shards)
    changed = UserChanged(tenant_id=tenant, user_id="ana", version=3, incarnation=2)
    await bus.publish(outgoing(changed, event_id=new_id(), at=utc_now()))
    await bus.js.publish(f"cc.{tenant}.directory.v1.user.changed.bo", b"\xff")
    found = {
        shard: [
            (fact.version, getattr(fact, "removed", False))
            async for facts in directory.configuration(shard)
            for fact in facts
        ]
        for shard in range(shards)
    }
    mine = shard_of(tenant, shards)
    assert found.pop(mine) == [(1, True), (3, False)]
    assert not any(found.values())
