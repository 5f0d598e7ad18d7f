"""State on the bus equals what is stored, heals when it was lost, and carries no secrets."""

import shutil
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from centralita.directory.v1 import events_pb2, resources_pb2
from centralita.directory.v1.directory_service_pb2 import (
    DeleteGroupRequest,
    GetChannelAccountRequest,
    GetGroupRequest,
    GetQueueRequest,
    GetUserRequest,
    PutQueueRequest,
    PutUserRequest,
    RotateChannelAccountSecretRequest,
)
from google.protobuf.message import Message

from services.directory.__main__ import service
from services.directory.republish import republish
from services.directory.settings import Settings
from services.kernel import streams
from services.kernel.bus import Bus, connected
from services.kernel.mongo import Database
from services.kernel.tail import tail
from tests.integration.directory.installation import Installation, refusal
from tests.servers import NatsServer
from tests.streams import until

DEMO_SEED = Path(__file__).parents[3] / "deploy" / "seed" / "demo.toml"
KINDS = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        events_pb2.UserChanged,
        events_pb2.QueueChanged,
        events_pb2.GroupChanged,
        events_pb2.ChannelAccountChanged,
        events_pb2.PresencePolicyChanged,
        events_pb2.SessionEnded,
    )
}


async def states(bus: Bus) -> Mapping[str, Any]:
    """The last state of every subject, as a service that starts reads it."""
    found: dict[str, Message] = {}
    async with aclosing(tail(bus, "DIRECTORY", last_per_subject=True)) as batches:
        async for batch in batches:
            for it in batch:
                found[it.subject] = KINDS[it.headers["ce-type"]].FromString(it.data)
            if not batch or batch[-1].pending == 0:
                return found
    raise AssertionError("the tail ended")


async def settled(db: Database) -> None:
    """Wait until every outbox is empty."""

    async def empty() -> bool:
        resources = ("users", "queues", "groups", "channel_accounts", "presence_policies")
        names = (*resources, "ended_sessions")
        waiting = [await db[it].count_documents({"outbox.0": {"$exists": True}}) for it in names]
        return not any(waiting)

    await until(empty)


async def test_the_stream_equals_what_is_stored(
    directory: Installation, bus: Bus, db: Database
) -> None:
    olga = (await directory.as_user("olga")).directory
    ana = (await olga.GetUser(GetUserRequest(user_id="ana"))).user
    ana.queue_ids[:] = ["support", "sales"]
    await olga.PutUser(PutUserRequest(user=ana))
    await olga.RotateChannelAccountSecret(
        RotateChannelAccountSecretRequest(channel_account_id="shop")
    )
    await settled(db)
    found = await states(bus)
    prefix = "cc.demo.directory.v1"
    assert found[f"{prefix}.user.changed.ana"] == events_pb2.UserChanged(
        tenant_id="demo",
        user_id="ana",
        version=2,
        role=ana.role,
        queue_ids=["sales", "support"],
        chat_capacity=3,
        capacity=resources_pb2.Capacity(chats=3),
        incarnation=1,
    )
    shop = (
        await olga.GetChannelAccount(GetChannelAccountRequest(channel_account_id="shop"))
    ).channel_account
    assert found[f"{prefix}.channel-account.changed.shop"].channel_account == shop
    assert shop.version == 2
    queue = (await olga.GetQueue(GetQueueRequest(queue_id="sales"))).queue
    assert found[f"{prefix}.queue.changed.sales"].queue == queue
    group = (await olga.GetGroup(GetGroupRequest(group_id="front-desk"))).group
    assert found[f"{prefix}.group.changed.front-desk"].group == group
    assert len(found) == 12, "every resource of both tenants, once"


async def test_a_removal_is_the_last_state_of_its_key(
    directory: Installation, bus: Bus, db: Database
) -> None:
    olga = (await directory.as_user("olga")).directory
    await olga.DeleteGroup(DeleteGroupRequest(group_id="front-desk"))
    await settled(db)
    last = (await states(bus))["cc.demo.directory.v1.group.changed.front-desk"]
    assert last == events_pb2.GroupChanged(
        tenant_id="demo", group_id="front-desk", version=2, removed=True
    )


async def test_nothing_personal_and_no_secret_is_on_the_bus(
    directory: Installation, bus: Bus, db: Database
) -> None:
    await settled(db)
    seen = b""
    async with aclosing(tail(bus, "DIRECTORY")) as batches:
        async for batch in batches:
            seen += b"".join(it.data for it in batch)
            if not batch or batch[-1].pending == 0:
                break
    assert b"ana" in seen
    for secret in (b"@", b"Olga", b"argon2", b"demo-shop-secret", b"centralita-demo"):
        assert secret not in seen


async def test_a_lost_stream_is_healed_at_the_next_start(
    settings: Settings, bus: Bus, db: Database
) -> None:
    async with service(settings):
        await settled(db)
        before = await states(bus)
    await bus.js.purge_stream("DIRECTORY")
    assert await states(bus) == {}
    async with service(settings):
        await until(lambda: _equal(bus, before))


async def test_a_bus_that_comes_back_empty_is_filled_without_a_restart(
    settings: Settings, private_nats: NatsServer, db: Database
) -> None:
    settings = replace(settings, nats_url=private_nats.url)
    async with service(settings):
        await settled(db)
        async with connected(private_nats.url, name="tests") as bus:
            before = await states(bus)
        private_nats.kill()
        shutil.rmtree(private_nats.home / "store")
        private_nats.start()
        async with connected(private_nats.url, name="tests") as bus:
            await streams.apply(bus.js)
            await until(lambda: _equal(bus, before), within=15)


async def test_healing_by_hand_publishes_what_is_missing_or_older_and_nothing_else(
    settings: Settings, directory: Installation, bus: Bus, db: Database
) -> None:
    await settled(db)
    assert await republish(settings) == 0
    subject = "cc.demo.directory.v1.queue.changed.sales"
    olga = (await directory.as_user("olga")).directory
    old = (await bus.js.get_last_msg("DIRECTORY", subject)).data or b""
    queue = (await olga.GetQueue(GetQueueRequest(queue_id="sales"))).queue
    queue.priority = 7
    await olga.PutQueue(PutQueueRequest(queue=queue))
    await settled(db)
    before = await states(bus)
    headers = {"ce-type": events_pb2.QueueChanged.DESCRIPTOR.full_name}
    await bus.js.publish(subject, old, headers=headers)
    await bus.js.purge_stream("DIRECTORY", subject="cc.acme.directory.v1.user.changed.olga")
    assert await republish(settings) == 2
    await settled(db)
    assert await states(bus) == before


async def test_seeding_twice_is_the_same_as_once(settings: Settings, db: Database) -> None:
    demo = replace(settings, seed_file=str(DEMO_SEED))
    async with service(demo):
        await settled(db)
        before = await _stored(db)
    async with service(demo):
        assert await _stored(db) == before
    assert len(before) == 1 + 3 + 4 + 1 + 2 + 1


async def test_replicas_that_seed_at_once_make_one_of_each(
    settings: Settings, db: Database
) -> None:
    async with service(settings), service(settings), service(settings):
        stored = await _stored(db)
    assert {it["version"] for it in stored} == {1}
    assert len(stored) == 2 + 3 + 5 + 2 + 2


async def test_the_seed_leaves_what_people_changed_or_removed(
    settings: Settings, directory: Installation
) -> None:
    olga = (await directory.as_user("olga")).directory
    queue = (await olga.GetQueue(GetQueueRequest(queue_id="support"))).queue
    queue.display_name = "Help"
    await olga.PutQueue(PutQueueRequest(queue=queue))
    await olga.DeleteGroup(DeleteGroupRequest(group_id="front-desk"))
    async with service(settings) as running, Installation.at(running) as again:
        olga = (await again.as_user("olga")).directory
        kept = (await olga.GetQueue(GetQueueRequest(queue_id="support"))).queue
        assert kept.display_name == "Help"
        told = await refusal(olga.GetGroup(GetGroupRequest(group_id="front-desk")))
        assert told.reason == "GROUP_NOT_FOUND"


async def _equal(bus: Bus, before: Mapping[str, Any]) -> bool:
    return await states(bus) == before


async def _stored(db: Database) -> list[Any]:
    names = ("tenants", "queues", "users", "groups", "channel_accounts", "presence_policies")
    return [it for name in names async for it in db[name].find({}, {"outbox": 0}).sort("_id", 1)]


async def test_what_is_put_is_on_the_bus_when_that_is_answered(
    directory: Installation, bus: Bus
) -> None:
    olga = (await directory.as_user("olga")).directory
    for number in range(8):
        queue = resources_pb2.Queue(queue_id=f"fresh-{number}", display_name="Fresh")
        await olga.PutQueue(PutQueueRequest(queue=queue))
        await bus.js.get_last_msg("DIRECTORY", f"cc.demo.directory.v1.queue.changed.fresh-{number}")
