"""Two tenants whose agents and devices have the same names."""

from centralita.presence.v1.events_pb2 import Status
from centralita.presence.v1.presence_service_pb2 import ListPresencesRequest

from tests.integration.presence.rig import Installation, Replica


async def listed(it: Replica, tenant: str) -> list[tuple[str, Status.ValueType]]:
    sue = it.supervisor(tenant)
    found = await sue.stub.ListPresences(ListPresencesRequest(), metadata=sue.token)
    return [(each.user_id, each.status) for each in found.presences]


async def test_what_one_tenant_does_with_the_same_names_is_not_the_other_s(
    calm: Installation, tenant: str
) -> None:
    other = f"{tenant}-x"
    async with calm.replica() as it:
        mine, theirs = it.agent(tenant), it.agent(other)
        await mine.be_ready()
        assert (await theirs.presence()).status == Status.STATUS_OFFLINE
        assert await listed(it, other) == []
        await theirs.beat()
        await it.agent(other, "bo").beat()
        await it.supervisor(other).force("ana", Status.STATUS_DND)
        assert (await mine.presence()).status == Status.STATUS_READY
        assert await listed(it, tenant) == [("ana", Status.STATUS_READY)]
        assert [each.version for each in await mine.history()] == [1, 2]
        await mine.leave()
        assert (await theirs.presence()).status == Status.STATUS_DND
        assert [each.version for each in await theirs.history()] == [1, 2]
        assert [user_id for user_id, _ in await listed(it, other)] == ["ana", "bo"]
