"""Whoever signed out is not there, and nothing is left of who was removed."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from centralita.directory.v1.events_pb2 import SessionEnded, UserChanged
from centralita.presence.v1.events_pb2 import (
    CAUSE_DISCONNECTED,
    STATUS_OFFLINE,
    STATUS_ONLINE,
    STATUS_READY,
)
from google.protobuf.message import Message

from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.ids import new_id
from services.kernel.mongo import Database
from services.kernel.wire import outgoing
from services.presence.messages import LEASES, is_end, lease_subject
from tests.integration.presence.rig import Agent, Installation, Replica
from tests.streams import drained, until
from tests.tokens import bearer

Tell = Callable[[Message], Any]


@pytest.fixture
def tell(bus: Bus) -> Tell:
    """Speak as the directory."""

    async def publish(event: Message) -> None:
        await bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))

    return publish


def ana(replica: Replica, tenant: str, session_id: str, version: int | None = 1) -> Agent:
    token = replica.issuer.user(tenant, "ana", sid=session_id, ver=version)
    return Agent(replica.stub, bearer(token), "ana")


def ended(tenant: str, session_id: str) -> SessionEnded:
    return SessionEnded(tenant_id=tenant, user_id="ana", session_id=session_id)


def user(tenant: str, version: int, incarnation: int = 0) -> UserChanged:
    """State of a user; without an incarnation, of one who was removed."""
    return UserChanged(
        tenant_id=tenant,
        user_id="ana",
        version=version,
        incarnation=incarnation,
        removed=not incarnation,
        role=1 if incarnation else 0,  # type: ignore[arg-type]  # an agent
    )


async def refused(agent: Agent, device_id: str = "d1") -> str:
    """Call until the call is refused, which is as soon as the directory was heard."""
    found: list[grpc.aio.AioRpcError] = []

    async def is_refused() -> bool:
        try:
            await agent.beat(device_id)
        except grpc.aio.AioRpcError as error:
            found.append(error)
        return bool(found)

    await until(is_refused)
    return found[0].code().name


async def test_who_signs_out_of_their_last_device_is_offline_at_once(
    calm: Installation, tenant: str, tell: Tell
) -> None:
    """Their leases are of two minutes: nobody waits for the end of one."""
    async with calm.replica() as replica:
        agent = ana(replica, tenant, "s1")
        await agent.beat()
        await agent.choose(receive_new=True)
        await tell(ended(tenant, "s1"))
        shown = await replica.supervisor(tenant).shows(STATUS_OFFLINE, user_id="ana")
        assert (shown.connected, shown.receive_new) == (False, True)
        assert await refused(agent) == "UNAUTHENTICATED"
        await ana(replica, tenant, "s2").shows(STATUS_OFFLINE)


async def test_who_signs_out_of_one_device_stays_there_with_the_other(
    calm: Installation, tenant: str, tell: Tell
) -> None:
    async with calm.replica() as one, calm.replica() as two:
        desk, phone = ana(one, tenant, "s1"), ana(two, tenant, "s2")
        await desk.beat("desk")
        await phone.beat("phone")
        await tell(ended(tenant, "s1"))
        assert await refused(desk, "desk") == "UNAUTHENTICATED"
        assert (await phone.beat("phone")).connected
        await tell(ended(tenant, "s2"))
        await two.supervisor(tenant).shows(STATUS_OFFLINE, user_id="ana")


async def test_a_device_that_signed_in_again_is_not_ended_by_the_session_before(
    calm: Installation, tenant: str, tell: Tell
) -> None:
    async with calm.replica() as replica:
        before, after = ana(replica, tenant, "s1"), ana(replica, tenant, "s2")
        await before.beat()
        await after.beat()
        await tell(ended(tenant, "s1"))
        assert await refused(before, "other") == "UNAUTHENTICATED"
        assert (await after.beat()).connected


async def test_a_session_that_ended_while_nobody_ran_ends_its_lease_at_the_next_start(
    calm: Installation, tenant: str, tell: Tell
) -> None:
    async with calm.replica() as replica:
        await ana(replica, tenant, "s1").beat()
    await tell(ended(tenant, "s1"))
    async with calm.replica() as replica:
        await replica.supervisor(tenant).shows(STATUS_OFFLINE, user_id="ana")


@pytest.mark.parametrize("overwritten", [False, True], ids=["", "its event is overwritten"])
async def test_a_user_made_again_finds_nothing_of_who_was_removed(
    calm: Installation, tenant: str, tell: Tell, db: Database, *, overwritten: bool
) -> None:
    async with calm.replica() as replica:
        first = ana(replica, tenant, "s1", version=1)
        await first.beat()
        await first.choose(receive_new=True)
        if not overwritten:
            await tell(user(tenant, 2))
            await replica.supervisor(tenant).shows(STATUS_OFFLINE, user_id="ana")
            assert await refused(first) == "UNAUTHENTICATED"
        await tell(user(tenant, 3, incarnation=3))
        assert await refused(first) == "UNAUTHENTICATED"
        gone = await replica.supervisor(tenant).shows(STATUS_OFFLINE, user_id="ana")
        assert not gone.receive_new

        again = ana(replica, tenant, "s2", version=3)
        assert (await again.beat()).status == STATUS_ONLINE

        async def forgotten() -> bool:
            changes = await again.history()
            return [it.cause for it in changes[:1]] == [CAUSE_DISCONNECTED] and len(changes) == 2

        await until(forgotten)
        await tell(user(tenant, 4, incarnation=3))
        await again.choose(receive_new=True)
        assert await db["presences"].count_documents({"user_version": 3}) == 1
        assert (await again.beat()).receive_new


@pytest.mark.parametrize("version", [3, None], ids=["our token", "another issuer's"])
@pytest.mark.parametrize("known", [True, False], ids=["was here before", "is here at first"])
async def test_an_edit_of_a_user_made_again_leaves_them_ready_with_lease_and_history(  # noqa: PLR0913
    calm: Installation, tenant: str, tell: Tell, bus: Bus, *, version: int | None, known: bool
) -> None:
    """Each later state of theirs names the removal before them, which is long over."""
    async with calm.replica() as replica:
        if known:
            await ana(replica, tenant, "s1", version and 1).beat()
        await tell(user(tenant, 2))
        await tell(user(tenant, 3, incarnation=3))
        await drained(bus, "DIRECTORY", "presence-user-changed")
        again = ana(replica, tenant, "s2", version)
        await until(lambda: accepted(again))
        before = await again.choose(receive_new=True)
        await until(lambda: has_lease(bus, tenant))
        for edit in (4, 5):
            await tell(user(tenant, edit, incarnation=3))
        await drained(bus, "DIRECTORY", "presence-user-changed")

        assert await again.presence() == before
        assert [it.status for it in await again.history()][-2:] == [STATUS_ONLINE, STATUS_READY]
        assert await has_lease(bus, tenant)


async def has_lease(bus: Bus, tenant: str) -> bool:
    lease = await bus.js.get_last_msg(LEASES, lease_subject((tenant, "ana"), "d1"))
    return not is_end(lease.headers or {})


async def accepted(agent: Agent) -> bool:
    """Call once: True as soon as the directory was heard to have made the user again."""
    try:
        return (await agent.beat()).connected
    except grpc.aio.AioRpcError:
        return False


async def test_a_removal_that_was_interrupted_is_finished_when_it_is_told_again(
    calm: Installation, tenant: str, tell: Tell, bus: Bus, db: Database
) -> None:
    """The presence was ended, and the process died before it forgot the history."""
    async with calm.replica() as replica:
        await ana(replica, tenant, "s1").beat()
        await tell(user(tenant, 2))
        await drained(bus, "DIRECTORY", "presence-user-changed")
        kept = db["history"]
        await until(lambda: kept.count_documents({"tenant_id": tenant}))  # stored soon afterwards
        await kept.update_one({"tenant_id": tenant}, {"$set": {"version": 1}})
        await tell(user(tenant, 2))
        await drained(bus, "DIRECTORY", "presence-user-changed")
        assert await kept.count_documents({"tenant_id": tenant, "version": 1}) == 0
