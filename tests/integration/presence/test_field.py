"""What went wrong with presence elsewhere (field.md 5.3) and must not here: a test for each."""

import asyncio
import time

from centralita.directory.v1.resources_pb2 import TASK_CHANNEL_CHAT, WAY_BACK_COOL_DOWN
from centralita.dispatch.v1.events_pb2 import OfferEnd
from centralita.presence.v1.events_pb2 import Cause, Status

from tests.integration.presence.rig import LEASE, Installation, Router

SECONDS = LEASE.total_seconds()


async def test_an_agent_is_not_available_after_closing_the_browser(
    rig: Installation, tenant: str
) -> None:
    """Rocket.Chat 10172; Rocket.Chat 20899 and Zammad 4970: chat offered after the last left."""
    async with rig.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        silent = time.monotonic()
        gone = await ana.shows(Status.STATUS_OFFLINE, within=SECONDS + 3)
        took = time.monotonic() - silent

    assert took <= SECONDS + 1
    assert (gone.connected, gone.cause) == (False, Cause.CAUSE_LEASE_EXPIRED)


async def test_a_second_device_does_not_flip_a_chosen_status_back(
    calm: Installation, tenant: str
) -> None:
    """Rocket.Chat 23563."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.beat("desk")
        chosen = await ana.status(Status.STATUS_DND)

        assert await ana.beat("phone") == chosen
        await ana.leave("desk")
        assert await ana.beat("phone") == chosen


async def test_who_does_not_reply_is_away_by_itself(
    calm: Installation, router: Router, tenant: str
) -> None:
    """Rocket.Chat 4759 and Chatwoot 4170: they want auto-away."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.offered("ana", "t1", TASK_CHANNEL_CHAT)
        await router.ended("ana", "t1", OfferEnd.OFFER_END_TIMED_OUT, TASK_CHANNEL_CHAT)

        away = await ana.shows(Status.STATUS_BANNED)
        assert (away.receive_new, away.ban.cause) == (False, Cause.CAUSE_OFFER_IGNORED)


async def test_an_app_in_the_background_stays_while_it_calls(
    rig: Installation, tenant: str
) -> None:
    """Chatwoot 5436 and 5826: no open screen, no open connection, and still there."""
    async with rig.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        calling = asyncio.create_task(ana.keep_beating("d1", pause=SECONDS / 2))
        until = time.monotonic() + 2 * SECONDS
        while time.monotonic() < until:
            found = await it.agent(tenant, "ben").presence("ana")
            assert found.status == Status.STATUS_READY
            await asyncio.sleep(0.1)
        calling.cancel()


async def test_an_agent_is_not_stuck_reserved(
    calm: Installation, router: Router, tenant: str
) -> None:
    """FreeSWITCH 2540: here the end of the ringing is heard before its beginning."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.rings("ana", "t1")
        await ana.shows(Status.STATUS_DIALING)
        router.revision = 10
        await router.ended("ana", "t1", OfferEnd.OFFER_END_RESCINDED)
        await ana.shows(Status.STATUS_READY)
        router.revision = 7
        await router.rings("ana", "t1")
        router.revision = 20
        await router.rings("ana", "t2")
        await ana.shows(Status.STATUS_DIALING)
        await router.assigned("ana", "t2")
        await ana.shows(Status.STATUS_IN_SERVICE)
        await router.completed("ana", "t2")

        assert (await ana.shows(Status.STATUS_READY)).receive_new


async def test_an_agent_whose_phone_is_gone_is_neither_available_nor_punished(
    rig: Installation, router: Router, tenant: str
) -> None:
    """FusionPBX 2831."""
    async with rig.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.rings("ana", "t1")
        await router.ended("ana", "t1", OfferEnd.OFFER_END_UNREACHABLE)
        gone = await ana.shows(Status.STATUS_OFFLINE, within=SECONDS + 3)
        assert not gone.HasField("ban")

        assert (await ana.beat()).status == Status.STATUS_READY


async def test_no_answer_does_not_kick_the_agent_out_for_ever(
    calm: Installation, router: Router, tenant: str
) -> None:
    """Kazoo pull request 6609."""
    await router.policy(WAY_BACK_COOL_DOWN, cool_down=0.5)
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        calling = asyncio.create_task(ana.keep_beating("d1", pause=SECONDS / 3))
        for number in range(2):
            await router.ended("ana", f"t{number}", OfferEnd.OFFER_END_TIMED_OUT)
            await ana.shows(Status.STATUS_BANNED)
            assert (await ana.shows(Status.STATUS_READY)).receive_new
        calling.cancel()


async def test_a_rejected_call_does_not_ring_the_only_agent_in_a_loop(
    calm: Installation, router: Router, tenant: str
) -> None:
    """Connect streams 292."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.rings("ana", "t1")
        await ana.shows(Status.STATUS_DIALING)
        await router.ended("ana", "t1", OfferEnd.OFFER_END_DECLINED)

        assert not (await ana.shows(Status.STATUS_BANNED)).receive_new


async def test_a_call_that_fails_does_not_end_a_break(
    calm: Installation, router: Router, tenant: str
) -> None:
    """Connect streams 241."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.beat()
        await ana.status(Status.STATUS_DND)
        await router.rings("ana", "t1")
        await ana.shows(Status.STATUS_DIALING)
        await router.ended("ana", "t1", OfferEnd.OFFER_END_UNREACHABLE)

        assert not (await ana.shows(Status.STATUS_DND)).receive_new


async def test_a_queued_status_does_not_win_over_a_later_choice(
    calm: Installation, router: Router, tenant: str
) -> None:
    """Connect streams 613."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.assigned("ana", "t1")
        await ana.shows(Status.STATUS_IN_SERVICE)
        waiting = await ana.status(Status.STATUS_DND)
        assert (waiting.next_status, waiting.receive_new) == (Status.STATUS_DND, False)
        later = await ana.status(Status.STATUS_ONLINE)
        assert later.next_status == Status.STATUS_ONLINE
        await router.completed("ana", "t1")
        assert (await ana.shows(Status.STATUS_ONLINE)).next_status == Status.STATUS_UNSPECIFIED


async def test_a_status_chosen_after_the_call_does_not_end_the_work(
    calm: Installation, router: Router, tenant: str
) -> None:
    """Connect streams 952."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.after_service("ana", "t1")
        await ana.shows(Status.STATUS_AFTER_SERVICE)
        assert (await ana.status(Status.STATUS_DND)).status == Status.STATUS_AFTER_SERVICE
        await router.completed("ana", "t1")
        await ana.shows(Status.STATUS_DND)


async def test_logging_out_sets_offline_at_once(calm: Installation, tenant: str) -> None:
    """Connect streams 493."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await ana.leave()

        gone = await ana.presence()
        assert (gone.status, gone.cause) == (Status.STATUS_OFFLINE, Cause.CAUSE_DISCONNECTED)


async def test_after_service_begins_also_for_who_was_consulted(
    calm: Installation, router: Router, tenant: str
) -> None:
    """Webex pull request 5217: a call that went from agent to agent."""
    async with calm.replica() as it:
        ana, ben = it.agent(tenant), it.agent(tenant, "ben")
        await ana.be_ready()
        await ben.be_ready()
        await router.assigned("ana", "t1")
        await ana.shows(Status.STATUS_IN_SERVICE)
        await router.assigned("ben", "t1")
        await ana.shows(Status.STATUS_READY)
        await router.after_service("ben", "t1")
        await ben.shows(Status.STATUS_AFTER_SERVICE)
        await router.completed("ben", "t1")
        await ben.shows(Status.STATUS_READY)


async def test_work_that_comes_back_leaves_who_had_it(
    calm: Installation, router: Router, tenant: str
) -> None:
    """Chatwoot 7204 and 4158: reopened chats stick to agents who left."""
    async with calm.replica() as it:
        ana = it.agent(tenant)
        await ana.be_ready()
        await router.assigned("ana", "t1")
        await ana.shows(Status.STATUS_IN_SERVICE)
        await ana.leave()
        await router.queued("t1")
        await ana.beat()

        assert (await ana.shows(Status.STATUS_READY)).receive_new
