"""Who answers which queue decides who may read: it is known from the directory's own words."""

from centralita.directory.v1.events_pb2 import UserChanged

from services.conversations.adapters.memberships import memberships
from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.ids import new_id
from services.kernel.wire import outgoing
from tests.streams import until


async def put(bus: Bus, tenant: str, version: int, *queues: str) -> None:
    event = UserChanged(tenant_id=tenant, user_id="ana", version=version, queue_ids=queues)
    await bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))


async def test_what_the_directory_has_said_is_known_at_once_and_the_rest_soon(
    bus: Bus, tenant: str
) -> None:
    await put(bus, tenant, 1, "sales")
    async with memberships(bus) as known:
        assert known.queues_of(tenant, "ana") == {"sales"}
        await put(bus, tenant, 2, "support")
        await until(lambda: known.queues_of(tenant, "ana") == {"support"})
