"""What dispatch tells shows on the badge; bans end as the policy says; the history has it all."""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from centralita.directory.v1.resources_pb2 import (
    TASK_CHANNEL_CALL,
    TASK_CHANNEL_CHAT,
    WAY_BACK_COOL_DOWN,
    WAY_BACK_OWN_CHOICE,
    WAY_BACK_SUPERVISOR,
    TaskChannel,
)
from centralita.dispatch.v1.events_pb2 import OfferEnd
from centralita.presence.v1.events_pb2 import Cause, PresenceChanged, Status
from centralita.presence.v1.presence_service_pb2 import (
    GetTimeInStatusRequest,
    SetChannelsRequest,
)

from services.kernel.answers import reason_of
from services.kernel.bus import Bus
from services.kernel.mongo import Database
from tests.integration.presence.rig import Agent, Installation, Router
from tests.streams import slow_projections, until

CAUSES = {
    OfferEnd.OFFER_END_DECLINED: Cause.CAUSE_OFFER_DECLINED,
    OfferEnd.OFFER_END_TIMED_OUT: Cause.CAUSE_OFFER_IGNORED,
}


async def test_a_call_shows_from_dialing_to_after_service(
    calm: Installation, router: Router, tenant: str
) -> None:
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.rings("ana", "t1")
        await ana.shows(Status.STATUS_DIALING)
        await router.assigned("ana", "t1")
        in_service = await ana.shows(Status.STATUS_IN_SERVICE)
        assert in_service.receive_new  # of chats: capacity decides
        await router.after_service("ana", "t1")
        await ana.shows(Status.STATUS_AFTER_SERVICE)
        await router.completed("ana", "t1")
        await ana.shows(Status.STATUS_READY)

        assert [(one.status, one.cause) for one in await ana.history()] == [
            (Status.STATUS_ONLINE, Cause.CAUSE_CONNECTED),
            (Status.STATUS_READY, Cause.CAUSE_CHOSEN),
            (Status.STATUS_DIALING, Cause.CAUSE_WORK),
            (Status.STATUS_IN_SERVICE, Cause.CAUSE_WORK),
            (Status.STATUS_AFTER_SERVICE, Cause.CAUSE_WORK),
            (Status.STATUS_READY, Cause.CAUSE_WORK),
        ]


async def test_nobody_is_asked_about_chats_but_those_that_are_let_pass(
    calm: Installation, router: Router, bus: Bus, tenant: str
) -> None:
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        for number in range(3):
            await router.offered("ana", f"chat-{number}", TASK_CHANNEL_CHAT)
        await router.rings("ana", "call")
        await ana.shows(Status.STATUS_DIALING)
        told = await bus.js.consumer_info("DISPATCH", "presence-task-offered")
        assert told.delivered.consumer_seq == 1


async def test_two_replicas_and_events_in_any_order_leave_nobody_at_work(
    calm: Installation, router: Router, db: Database, tenant: str
) -> None:
    async with calm.replica() as one, calm.replica():
        ana, ben = one.agent(tenant), one.agent(tenant, "ben")
        await ana.be_ready()
        await ben.be_ready()
        for number in range(5):
            task = f"t{number}"
            await asyncio.gather(
                router.rings("ana", task),
                router.rings("ben", task),
                router.ended("ben", task, OfferEnd.OFFER_END_TAKEN_ELSEWHERE),
                router.assigned("ana", task),
                router.queued(task),
            )

        async def heard() -> bool:
            wanted = {"hold.agent_id": "", "hold.revision": {"$gt": 0}, "rings": {"$size": 2}}
            return await db["calls"].count_documents(wanted) == 5

        await until(heard)
        for agent in (ana, ben):
            await agent.shows(Status.STATUS_READY)


@pytest.mark.parametrize("channel", [TASK_CHANNEL_CALL, TASK_CHANNEL_CHAT])
@pytest.mark.parametrize("end", [OfferEnd.OFFER_END_DECLINED, OfferEnd.OFFER_END_TIMED_OUT])
async def test_who_declines_or_ignores_is_banned_until_they_choose_ready(
    calm: Installation,
    router: Router,
    tenant: str,
    channel: TaskChannel.ValueType,
    end: OfferEnd.ValueType,
) -> None:
    cause = CAUSES[end]
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.offered("ana", "t1", channel)
        event = await router.ended("ana", "t1", end, channel)
        banned = await ana.shows(Status.STATUS_BANNED)
        assert (banned.ban.cause, banned.cause, banned.receive_new) == (cause, cause, False)

        back = await ana.choose(receive_new=True)
        assert (back.status, back.receive_new) == (Status.STATUS_READY, True)
        await router.again(event)
        await router.rings("ana", "t2")
        await ana.shows(Status.STATUS_DIALING)  # the repetition has been heard by now, or soon is
        await router.ended("ana", "t2", OfferEnd.OFFER_END_CALLER_GAVE_UP)
        assert (await ana.shows(Status.STATUS_READY)).receive_new


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (OfferEnd.OFFER_END_RESCINDED, Cause.CAUSE_WORK),
        (OfferEnd.OFFER_END_TAKEN_ELSEWHERE, Cause.CAUSE_WORK),
        (OfferEnd.OFFER_END_CANCELLED, Cause.CAUSE_WORK),
        (OfferEnd.OFFER_END_UNREACHABLE, Cause.CAUSE_DEVICE_UNREACHABLE),
        (OfferEnd.OFFER_END_CALLER_GAVE_UP, Cause.CAUSE_CALLER_GAVE_UP),
    ],
)
async def test_what_is_not_the_agents_doing_bans_nobody_and_is_told_by_its_cause(
    calm: Installation,
    router: Router,
    tenant: str,
    end: OfferEnd.ValueType,
    cause: Cause.ValueType,
) -> None:
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.rings("ana", "t1")
        await ana.shows(Status.STATUS_DIALING)
        await router.ended("ana", "t1", end)

        spared = await ana.shows(Status.STATUS_READY)
        assert (spared.receive_new, spared.HasField("ban")) == (True, False)
        assert (await ana.history())[-1].cause == spared.cause == cause


async def test_a_cool_down_goes_on_while_no_process_runs(
    calm: Installation, router: Router, tenant: str
) -> None:
    await router.policy(WAY_BACK_COOL_DOWN, cool_down=1)
    async with calm.replica() as it:
        await banned(it.agent(tenant), router)
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.beat()

        assert (await ana.shows(Status.STATUS_READY)).cause == Cause.CAUSE_COOLED_DOWN


async def test_only_a_supervisor_ends_the_ban_where_the_policy_says_so_and_is_named(
    calm: Installation, router: Router, tenant: str
) -> None:
    await router.policy(WAY_BACK_SUPERVISOR)
    async with calm.replica() as it:
        ana, sue = it.agent(tenant), it.supervisor(tenant)
        await banned(ana, router)
        await refused(ana.choose(receive_new=True), "STILL_BANNED")
        await refused(ana.force("ana", Status.STATUS_READY), "ROLE_TOO_LOW")
        forced = await sue.force("ana", Status.STATUS_READY)
        assert (forced.status, forced.receive_new) == (Status.STATUS_READY, True)

        last = (await sue.history("ana"))[-1]
        assert (last.cause, last.actor_id) == (Cause.CAUSE_FORCED, "sue")


async def test_offers_in_a_row_ban_as_many_as_the_policy_says(
    calm: Installation, router: Router, tenant: str
) -> None:
    await router.policy(WAY_BACK_OWN_CHOICE, banned_after=3)
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        for number in range(2):
            await router.ended("ana", f"t{number}", OfferEnd.OFFER_END_DECLINED, TASK_CHANNEL_CHAT)

        async def counted() -> bool:
            return (await ana.presence()).version == 4

        await until(counted)
        assert (await ana.presence()).status == Status.STATUS_READY
        await router.ended("ana", "t3", OfferEnd.OFFER_END_TIMED_OUT, TASK_CHANNEL_CHAT)
        await ana.shows(Status.STATUS_BANNED)


async def test_a_status_of_the_tenants_own_is_chosen_and_told(
    calm: Installation, router: Router, bus: Bus, tenant: str
) -> None:
    await router.policy(WAY_BACK_OWN_CHOICE, statuses=("break",))
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await refused(ana.status(Status.STATUS_CUSTOM, "lunch"), "CUSTOM_STATUS_UNKNOWN")
        await refused(ana.status(Status.STATUS_CUSTOM), "STATUS_INVALID")
        await refused(ana.status(Status.STATUS_IN_SERVICE), "STATUS_INVALID")
        request = SetChannelsRequest(channels=[TASK_CHANNEL_CALL, TASK_CHANNEL_CHAT])
        await ana.stub.SetChannels(request, metadata=ana.token)
        chosen = await ana.status(Status.STATUS_CUSTOM, "break")
        assert (chosen.status, chosen.custom_status_id) == (Status.STATUS_CUSTOM, "break")

        async def told() -> bool:
            return (await last_event(bus, tenant)).version == chosen.version

        await until(told)
    event = await last_event(bus, tenant)
    assert (event.custom_status_id, event.receive_new) == ("break", False)
    assert list(event.channels) == [TASK_CHANNEL_CHAT, TASK_CHANNEL_CALL]


async def test_the_history_is_for_oneself_and_supervisors_and_adds_up(
    calm: Installation, db: Database, tenant: str
) -> None:
    async with calm.replica() as it:
        ana, ben, sue = it.agent(tenant), it.agent(tenant, "ben"), it.supervisor(tenant)
        await ana.be_ready()
        await ana.status(Status.STATUS_DND)
        first = (await ana.history())[0]
        await refused(ben.history("ana"), "NOT_YOURS")
        assert [one.version for one in await sue.history("ana")] == [1, 2, 3]

        today = datetime.now(UTC).date()
        request = GetTimeInStatusRequest(
            user_id="ana", first_day=(today - timedelta(days=1)).isoformat(), days=3
        )
        report = await sue.stub.GetTimeInStatus(request, metadata=sue.token)
        shown = sum(
            (one.time.ToTimedelta() for day in report.days for one in day.times), timedelta()
        )
        since = datetime.now(UTC) - first.at.ToDatetime(UTC)
        assert timedelta() < shown <= since
        for wrong, reason in (
            (GetTimeInStatusRequest(user_id="ana", first_day="today"), "DAYS_INVALID"),
            (
                GetTimeInStatusRequest(user_id="ana", first_day="2026-01-01", days=32),
                "DAYS_INVALID",
            ),
            (
                GetTimeInStatusRequest(user_id="ana", first_day="2026-01-01", time_zone="../x"),
                "TIME_ZONE_UNKNOWN",
            ),
        ):
            await refused(ana.stub.GetTimeInStatus(wrong, metadata=ana.token), reason)
    assert await db["history"].count_documents({}) == 3


async def test_a_status_that_was_put_a_moment_ago_can_be_chosen_at_once(
    calm: Installation, router: Router, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_projections(monkeypatch)
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await refused(ana.status(Status.STATUS_CUSTOM, "break"), "CUSTOM_STATUS_UNKNOWN")
        await router.policy(WAY_BACK_OWN_CHOICE, statuses=("break",))
        chosen = await ana.status(Status.STATUS_CUSTOM, "break")
        assert chosen.custom_status_id == "break"


async def test_a_change_whose_writer_died_is_in_the_history_once_somebody_asks_or_changes_more(
    calm: Installation, db: Database, tenant: str
) -> None:
    for asks in (True, False):
        async with calm.replica() as it:
            ana = it.agent(tenant)
            await ana.be_ready()
        # As if it had died between its write and the history.
        await db["history"].delete_one({"version": await newest(db)})
        async with calm.replica() as it:
            ana = it.agent(tenant)
            if not asks:
                await ana.status(Status.STATUS_DND)
            told = [one.version for one in await ana.history()]
            assert told == [*range(1, await newest(db) + 1)]
    assert await db["history"].count_documents({}) == await newest(db)


async def newest(db: Database) -> int:
    found = await db["presences"].find_one({})
    assert found is not None
    version: int = found["version"]
    return version


async def banned(ana: Agent, router: Router) -> None:
    await ana.be_ready()
    await router.rings("ana", "t1")
    await ana.shows(Status.STATUS_DIALING)
    await router.ended("ana", "t1", OfferEnd.OFFER_END_DECLINED)
    await ana.shows(Status.STATUS_BANNED)


async def refused(call: object, reason: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as no:
        await call  # type: ignore[misc] # a coroutine or a call of the stub
    assert reason_of(no.value) == reason


async def last_event(bus: Bus, tenant: str) -> PresenceChanged:
    found = await bus.js.get_last_msg("PRESENCE", f"cc.{tenant}.presence.v1.agent.changed.ana")
    return PresenceChanged.FromString(found.data or b"")
