"""From the lost lease to the next ring: presence and dispatch as they run, on one bus (R12)."""

import asyncio
import time

from centralita.directory.v1.events_pb2 import UserChanged
from centralita.directory.v1.resources_pb2 import ON_AGENT_LOST_REQUEUE

from services.kernel.bus import Bus
from tests.integration.dispatch.centre import Centre, centre, refusal
from tests.integration.presence.rig import LEASE, Installation

SECONDS = LEASE.total_seconds()


async def test_what_rang_at_a_dead_desktop_rings_at_a_colleague_within_the_lease_and_a_second(
    rig: Installation, bus: Bus, nats_url: str, tenant: str
) -> None:
    async with rig.replica() as it, centre(nats_url, bus, tenant) as desk:
        ana, ben = it.agent(tenant), it.agent(tenant, "ben")
        await desk.queue()
        for user_id in ("ana", "ben"):
            await _can_work(desk, user_id)
        await ana.be_ready()
        await desk.opens("t1")
        await desk.heard("TaskOffered", "t1", "ana")
        await ben.be_ready()
        there = asyncio.create_task(ben.keep_beating("d1", pause=SECONDS / 3))
        await ana.beat()
        silent = time.monotonic()
        await desk.heard("TaskOffered", "t1", "ben")
        took = time.monotonic() - silent
        there.cancel()
        await desk.accept("ben", "t1")
        await desk.audited()

    assert SECONDS - 0.2 <= took <= SECONDS + 1


async def test_what_a_dead_desktop_held_goes_where_the_queue_says(
    rig: Installation, bus: Bus, nats_url: str, tenant: str
) -> None:
    async with rig.replica() as it, centre(nats_url, bus, tenant) as desk:
        ana, ben = it.agent(tenant), it.agent(tenant, "ben")
        await desk.queue(on_agent_lost=ON_AGENT_LOST_REQUEUE)
        for user_id in ("ana", "ben"):
            await _can_work(desk, user_id)
        await ana.be_ready()
        await desk.opens("t1")
        await desk.heard("TaskOffered", "t1", "ana")
        await desk.accept("ana", "t1")
        await ben.be_ready()
        there = asyncio.create_task(ben.keep_beating("d1", pause=SECONDS / 3))
        await desk.heard("TaskOffered", "t1", "ben")
        there.cancel()
        await desk.accept("ben", "t1")
        # Who is back finds that it went on without them.
        assert (await ana.beat()).connected
        assert (await refusal(desk.complete("ana", "t1")))[1] == "TASK_NOT_YOURS"
        await desk.audited()


async def _can_work(desk: Centre, user_id: str) -> None:
    await desk.tell(
        UserChanged(
            tenant_id=desk.tenant,
            user_id=user_id,
            version=1,
            queue_ids=["sales"],
            chat_capacity=1,
        )
    )
