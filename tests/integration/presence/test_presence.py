"""Presence on real servers: leases, two replicas, the events, and what is refused."""

import asyncio
import time
from pathlib import Path
from typing import ClassVar

import grpc
import pytest
from centralita.directory.v1.resources_pb2 import Capacity
from centralita.presence.v1.events_pb2 import Cause, PresenceChanged, Status
from centralita.presence.v1.presence_service_pb2 import CannotReceive, ListPresencesRequest
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from services.kernel import mongo
from services.kernel.answers import reason_of
from services.kernel.bus import Bus
from services.kernel.mongo import Database
from services.kernel.reachable import StoreReachable
from tests.integration.presence.rig import LEASE, Agent, Installation, Router, installation
from tests.processes import ServiceProcess
from tests.streams import until

SECONDS = LEASE.total_seconds()


async def last_event(bus: Bus, tenant: str, user_id: str = "ana") -> PresenceChanged:
    found = await bus.js.get_last_msg(
        "PRESENCE", f"cc.{tenant}.presence.v1.agent.changed.{user_id}"
    )
    return PresenceChanged.FromString(found.data or b"")


async def offline_within(agent: Agent, seconds: float) -> float:
    """Seconds until the agent shows offline."""
    began = time.monotonic()

    async def offline() -> bool:
        return (await agent.presence()).status == Status.STATUS_OFFLINE

    await until(offline, within=seconds)
    return time.monotonic() - began


async def test_an_agent_connects_chooses_and_leaves(
    rig: Installation, bus: Bus, tenant: str
) -> None:
    async with rig.replica() as it:
        ana = it.agent(tenant)
        assert (await ana.presence()).status == Status.STATUS_OFFLINE
        assert (await ana.beat()).status == Status.STATUS_ONLINE
        chosen = await ana.choose(receive_new=True)
        assert (chosen.status, chosen.version) == (Status.STATUS_READY, 2)
        await ana.leave()
        assert (await ana.presence()).status == Status.STATUS_OFFLINE

        async def told() -> bool:
            return (await last_event(bus, tenant)).version == 3

        await until(told)
    event = await last_event(bus, tenant)
    assert (event.status, event.cause) == (Status.STATUS_OFFLINE, Cause.CAUSE_DISCONNECTED)


async def test_a_dead_device_is_noticed_within_its_lease_and_a_second(
    rig: Installation, tenant: str
) -> None:
    async with rig.replica() as it:
        ana = it.agent(tenant)
        await ana.beat()
        took = await offline_within(ana, SECONDS + 3)
    assert SECONDS - 0.2 <= took <= SECONDS + 1


class Commands(StoreReachable, CommandListener):
    """What the store is asked, but for what a service looks up by itself each second."""

    SWEEPS: ClassVar = ({"outbox.id"}, {"ban.until"})

    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self._asked = asked

    def started(self, event: CommandStartedEvent) -> None:
        if set(event.command.get("filter", {})) not in self.SWEEPS:
            self._asked.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Its start was noted."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Its start was noted."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the commands that services send to the store from here on, as they send them."""
    found: list[str] = []
    monkeypatch.setattr(mongo, "StoreReachable", lambda: Commands(found))
    return found


async def test_heartbeats_write_no_event_and_ask_the_store_nothing(
    asked: list[str], calm: Installation, db: Database, bus: Bus, tenant: str
) -> None:
    async with calm.replica() as it:
        ana = it.agent(tenant)
        before = await ana.beat()

        async def told_and_kept() -> bool:
            told = await db["presences"].count_documents({"outbox": []})
            return bool(told and await db["history"].count_documents({}))

        await until(told_and_kept)
        assert {"update", "insert"} <= set(asked)
        asked.clear()
        for number in range(20):
            await ana.beat(f"d{number % 2}")
        after = await ana.beat()
        assert asked == []
    assert after == before
    assert (await bus.js.stream_info("PRESENCE")).state.messages == 1


async def test_a_renewal_at_the_other_replica_keeps_the_agent(
    rig: Installation, tenant: str
) -> None:
    async with rig.replica() as one, rig.replica() as two:
        await one.agent(tenant).beat()
        beating = asyncio.create_task(two.agent(tenant).keep_beating("d1", pause=SECONDS / 3))
        ana = one.agent(tenant)
        give_up = time.monotonic() + 2 * SECONDS
        while time.monotonic() < give_up:
            assert (await ana.presence()).connected
            await asyncio.sleep(0.05)
        assert (await ana.presence()).version == 1
        beating.cancel()
        assert await offline_within(ana, SECONDS + 3) <= SECONDS + 1


async def test_when_a_replica_leaves_the_other_one_notices_its_devices(
    rig: Installation, tenant: str
) -> None:
    async with rig.replica() as two:
        async with rig.replica() as one:
            await one.agent(tenant).beat()
        assert await offline_within(two.agent(tenant), SECONDS + 3) <= SECONDS + 1


async def test_when_a_replica_is_killed_the_other_one_notices_its_devices(
    rig: Installation, tenant: str, tmp_path: Path
) -> None:
    told = rig.settings
    one = ServiceProcess(
        tmp_path,
        "presence",
        {
            "NATS_URL": told.nats_url,
            "MONGO_URL": told.mongo_url,
            "MONGO_DATABASE": told.mongo_database,
            "JWKS_URL": told.jwks_url,
            "ISSUER": told.issuer,
            "LEASE_SECONDS": str(SECONDS),
        },
    )
    try:
        await asyncio.to_thread(one.start)
        async with rig.replica() as two, rig.replica_at(one.grpc) as dying:
            await dying.agent(tenant).beat()
            assert (await two.agent(tenant).presence()).connected
            one.kill()
            assert await offline_within(two.agent(tenant), SECONDS + 3) <= SECONDS + 1
    finally:
        one.kill()


async def test_a_replica_that_starts_gives_everyone_a_lease_and_knows_who_is_there(
    rig: Installation, tenant: str
) -> None:
    async with rig.replica() as it:
        await it.agent(tenant).be_ready()
    async with rig.replica() as it:
        ana = it.agent(tenant)
        assert (await ana.presence()).status == Status.STATUS_READY
        assert (await ana.beat()).status == Status.STATUS_READY
        await asyncio.sleep(SECONDS / 2)
        assert (await ana.beat()).version == 2
        assert await offline_within(ana, SECONDS + 3) <= SECONDS + 1


async def test_a_second_device_changes_nothing_and_keeps_the_agent_there(
    rig: Installation, tenant: str
) -> None:
    async with rig.replica() as one, rig.replica() as two:
        desk, phone = one.agent(tenant), two.agent(tenant)
        await desk.beat("desk")
        ready = await desk.choose(receive_new=True)
        assert await phone.beat("phone") == ready
        await desk.leave("desk")
        assert await phone.presence() == ready
        await phone.leave("phone")
        assert (await phone.presence()).status == Status.STATUS_OFFLINE
        # No replica believes a lease that was given back: the agent stays away.
        await asyncio.sleep(1.5)
        assert (await desk.presence()).version == ready.version + 1


async def test_a_choice_survives_a_blink_but_not_an_absence(
    bus: Bus, nats_url: str, mongo_url: str, db: Database, tenant: str
) -> None:
    async with (
        installation(nats_url, mongo_url, db.name, keep_choice=0.5) as rig,
        rig.replica() as it,
    ):
        ana = it.agent(tenant)
        await ana.be_ready()
        await ana.leave()
        assert (await ana.beat()).status == Status.STATUS_READY
        await ana.leave()
        await asyncio.sleep(0.6)
        assert (await ana.beat()).status == Status.STATUS_ONLINE


async def test_refusals_say_what_to_do(rig: Installation, tenant: str) -> None:
    async with rig.replica() as it:
        ana = it.agent(tenant)
        for call, code, reason in (
            (ana.choose(receive_new=True), grpc.StatusCode.FAILED_PRECONDITION, "NOT_CONNECTED"),
            (ana.beat("a.b"), grpc.StatusCode.INVALID_ARGUMENT, "DEVICE_ID_INVALID"),
            (ana.leave(""), grpc.StatusCode.INVALID_ARGUMENT, "DEVICE_ID_INVALID"),
            (ana.presence("*"), grpc.StatusCode.INVALID_ARGUMENT, "USER_ID_INVALID"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert (refused.value.code(), reason_of(refused.value)) == (code, reason)


async def test_who_is_ready_and_can_be_given_nothing_is_told_why(
    rig: Installation, bus: Bus, tenant: str
) -> None:
    async with rig.replica() as it:
        ana, router = it.agent(tenant), Router(bus, tenant)
        assert (await ana.beat()).cannot_receive == CannotReceive.CANNOT_RECEIVE_UNSPECIFIED
        told = await ana.choose(receive_new=True)
        assert told.cannot_receive == CannotReceive.CANNOT_RECEIVE_NO_QUEUE
        for settings, reason in (
            (Capacity(chats=0, calls=False), CannotReceive.CANNOT_RECEIVE_NO_CAPACITY),
            (Capacity(chats=0), CannotReceive.CANNOT_RECEIVE_UNSPECIFIED),
        ):
            await router.user("ana", settings)

            async def shown(wanted: int = reason) -> bool:
                return (await ana.presence()).cannot_receive == wanted

            await until(shown)
            assert (await ana.beat()).cannot_receive == reason
        (listed,) = (
            await ana.stub.ListPresences(ListPresencesRequest(), metadata=ana.token)
        ).presences
        assert listed.cannot_receive == CannotReceive.CANNOT_RECEIVE_UNSPECIFIED


async def test_lists_end_at_the_tenant(rig: Installation, tenant: str) -> None:
    async with rig.replica() as it:
        for name in ("cat", "ana", "ben"):
            await it.agent(tenant, name).beat()
        await it.agent(f"{tenant}-other", "eve").beat()
        ana = it.agent(tenant)
        seen: list[str] = []
        token = ""
        while True:
            request = ListPresencesRequest(page_size=2, page_token=token)
            page = await ana.stub.ListPresences(request, metadata=ana.token)
            seen += [one.user_id for one in page.presences]
            token = page.next_page_token
            if not token:
                break
        assert seen == ["ana", "ben", "cat"]
        assert (await ana.presence("eve")).status == Status.STATUS_OFFLINE


async def test_one_user_at_many_devices_at_once_connects_once(
    rig: Installation, tenant: str
) -> None:
    async with rig.replica() as one, rig.replica() as two:
        agents = [one.agent(tenant), two.agent(tenant)]
        await asyncio.gather(*(agents[n % 2].beat(f"d{n}") for n in range(10)))
        assert (await agents[0].presence()).version == 1
