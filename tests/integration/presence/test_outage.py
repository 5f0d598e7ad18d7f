"""A restart of NATS declares nobody gone, and afterwards the dead are noticed again."""

import asyncio
import time

from centralita.presence.v1.events_pb2 import Status

from services.kernel.mongo import Database
from tests.integration.presence.rig import LEASE, installation
from tests.servers import NatsServer
from tests.streams import until

SECONDS = LEASE.total_seconds()


async def test_nobody_is_gone_because_nats_was(
    private_nats: NatsServer, mongo_url: str, db: Database, tenant: str
) -> None:
    async with installation(private_nats.url, mongo_url, db.name) as rig, rig.replica() as it:
        ana, ben = it.agent(tenant), it.agent(tenant, "ben")
        await ana.beat()
        await ana.choose(receive_new=True)
        await ben.beat()
        beating = asyncio.create_task(ana.keep_beating("d1", pause=SECONDS / 3))
        private_nats.kill()
        await asyncio.sleep(2 * SECONDS)
        assert (await ben.presence()).connected  # silent, but nobody could have heard
        private_nats.start()
        back = time.monotonic()
        while time.monotonic() < back + SECONDS:
            assert (await ana.presence()).status == Status.STATUS_READY
            assert (await ben.presence()).connected
            await asyncio.sleep(0.05)

        async def ben_is_gone() -> bool:
            return not (await ben.presence()).connected

        await until(ben_is_gone, within=SECONDS + 3)
        assert (await ana.presence()).status == Status.STATUS_READY
        assert (await ana.presence()).version == 2
        beating.cancel()


async def test_a_frozen_bus_declares_nobody_gone(
    private_nats: NatsServer, mongo_url: str, db: Database, tenant: str
) -> None:
    async with installation(private_nats.url, mongo_url, db.name) as rig, rig.replica() as it:
        ana = it.agent(tenant)
        await ana.beat()
        private_nats.freeze()
        await asyncio.sleep(2 * SECONDS)
        assert (await ana.presence()).connected
        private_nats.thaw()
        assert (await ana.beat()).version == 1
        await asyncio.sleep(SECONDS / 2)
        assert (await ana.presence()).version == 1
