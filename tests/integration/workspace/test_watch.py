"""The agents' live view on real servers."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta

import grpc
import pytest
from centralita.options.v1.options_pb2 import Role
from centralita.workspace.v1.resources_pb2 import CardState
from centralita.workspace.v1.workspace_service_pb2 import (
    ListCardsRequest,
    Order,
    Tab,
    WatchRequest,
)

from services.kernel.answers import reason_of
from services.workspace.use_cases.live import Watcher
from tests.held import held, let_go
from tests.integration.workspace.rig import Client, Installation, Others
from tests.streams import until


async def test_a_chat_comes_rings_is_held_and_goes(rig: Installation, others: Others) -> None:
    await others.user("ana", "sales")
    async with rig.replica() as it:
        ana = Client(it.token(others.tenant_id, "ana"))
        async with ana.watching(it):
            await until(lambda: ana.frames)
            await others.opened("v-1")
            await others.appended("v-1", 1)
            await others.queued("v-1")
            await ana.sees("v-1")
            await others.offered("v-1", "ana")
            state = CardState.CARD_STATE_OFFERED
            await until(lambda: ana.cards["v-1"].standing.state == state)
            assert ana.cards["v-1"].HasField("offer_expires_at")
            await others.assigned("v-1", "ana")
            state = CardState.CARD_STATE_ASSIGNED
            await until(lambda: ana.cards["v-1"].standing.state == state)
            await until(lambda: ana.cards["v-1"].message_count == 1)
            assert ana.cards["v-1"].contact_id == "c-1"
            await others.completed("v-1", "ana")
            await ana.sees()
    assert ana.kinds()[0] == "snapshot"


async def test_a_client_sees_only_its_own_work_and_its_queues(
    rig: Installation, others: Others
) -> None:
    await others.user("ana", "sales")
    await others.user("ben", "help")
    await others.user("max", role=Role.ROLE_MANAGER)
    async with rig.replica() as it:
        ana, ben, max_ = (
            Client(it.token(others.tenant_id, name)) for name in ("ana", "ben", "max")
        )
        eve = Client(it.token(f"{others.tenant_id}-other", "ana", "owner"))
        async with ana.watching(it), ben.watching(it), max_.watching(it), eve.watching(it):
            await others.opened("v-1", "sales")
            await others.opened("v-2", "help")
            await others.queued("v-1", "sales")
            await others.queued("v-2", "help")
            await ana.sees("v-1")
            await ben.sees("v-2")
            await max_.sees("v-1", "v-2")
            await others.assigned("v-1", "ben", "sales")
            await ana.sees()
            await ben.sees("v-1", "v-2")
            await max_.sees("v-2")
    assert eve.kinds() == ["snapshot"]
    assert not eve.cards


async def test_events_in_any_order_make_the_same_card(rig: Installation, others: Others) -> None:
    await others.user("ana", "sales")
    await others.queued("v-1")
    await others.offered("v-1", "ana")
    await others.appended("v-1", 2)
    await others.appended("v-1", 1)
    await others.opened("v-1")
    async with rig.replica() as it:
        ana = Client(it.token(others.tenant_id, "ana"))
        async with ana.watching(it):
            await ana.sees("v-1")
            await until(lambda: ana.cards["v-1"].message_count == 2)
            await until(lambda: ana.cards["v-1"].contact_id == "c-1")
            offered = CardState.CARD_STATE_OFFERED
            await until(lambda: ana.cards["v-1"].standing.state == offered)


async def test_a_second_replica_goes_on_where_the_first_one_was(
    rig: Installation, others: Others
) -> None:
    await others.user("ana", "sales")
    async with rig.replica() as two:
        async with rig.replica() as one:
            ana = Client(one.token(others.tenant_id, "ana"))
            async with ana.watching(one):
                await others.opened("v-1")
                await ana.sees("v-1")
        await others.opened("v-2")
        await others.closed("v-1")
        before = len(ana.frames)
        async with ana.watching(two):
            await ana.sees("v-2")
    assert "snapshot" not in ana.kinds()[before:]


async def test_a_replica_that_starts_knows_what_happened_before(
    rig: Installation, others: Others
) -> None:
    await others.user("ana", "sales")
    async with rig.replica() as it:
        ana = Client(it.token(others.tenant_id, "ana"))
        async with ana.watching(it):
            await others.opened("v-1")
            await others.opened("v-2")
            await ana.sees("v-1", "v-2")
    held = len(ana.frames)
    async with rig.replica() as it:
        fresh = Client(it.token(others.tenant_id, "ana"))
        async with fresh.watching(it), ana.watching(it):
            await fresh.sees("v-1", "v-2")
            await others.closed("v-1")
            await ana.sees("v-2")
    assert "snapshot" not in ana.kinds()[held:]
    assert fresh.kinds()[0] == "snapshot"


async def test_other_queues_show_another_view_at_once_and_to_who_was_away(
    rig: Installation, others: Others
) -> None:
    await others.user("ana", "sales")
    async with rig.replica() as it:
        ana, away = (Client(it.token(others.tenant_id, "ana")) for _ in range(2))
        async with ana.watching(it):
            async with away.watching(it):
                await others.opened("v-1", "sales")
                await others.opened("v-2", "help")
                await ana.sees("v-1")
                await away.sees("v-1")
            await others.user("ana", "help")
            await ana.sees("v-2")
        async with away.watching(it):
            await away.sees("v-2")


async def test_a_position_of_another_stream_or_too_long_ago_begins_with_the_view(
    rig: Installation, others: Others
) -> None:
    await others.user("ana", "sales")
    async with rig.replica(replay_changes=2) as it:
        first = Client(it.token(others.tenant_id, "ana"))
        async with first.watching(it):
            for number in range(10):
                await others.opened(f"v-{number}")
            await until(lambda: len(first.cards) == 10)
        for position in (1_000_000, first.position - 8):
            ana = Client(it.token(others.tenant_id, "ana"), position=position)
            async with ana.watching(it):
                await ana.sees(*(f"v-{number}" for number in range(10)))
            assert ana.kinds()[0] == "snapshot"


async def test_a_stream_ends_with_its_token(rig: Installation, others: Others) -> None:
    async with rig.replica() as it:
        soon = int(time.time()) + 1
        token = it.token(others.tenant_id, "ana", exp=soon)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async for _ in it.stub.Watch(WatchRequest(), metadata=token):
                pass
    assert ended.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(ended.value) == "TOKEN_EXPIRED"


async def test_a_stream_ends_with_its_server_and_says_so(rig: Installation, others: Others) -> None:
    async with rig.replica() as it:
        ana = Client(it.token(others.tenant_id, "ana"))
        call = it.stub.Watch(WatchRequest(), metadata=ana.token)

        async def read() -> None:
            async for frame in call:
                ana.take(frame)

        reading = asyncio.create_task(read())
        await until(lambda: ana.frames)
        ended = asyncio.create_task(_end_of(reading))
        await asyncio.sleep(0)
    error = await ended
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert reason_of(error) == "RECONNECT"


async def _end_of(reading: asyncio.Task[None]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await reading
    return ended.value


async def test_a_quiet_stream_gives_signs_of_life(rig: Installation, others: Others) -> None:
    async with rig.replica(watch_quiet=timedelta(seconds=0.4)) as it:
        ana = Client(it.token(others.tenant_id, "ana"))
        async with ana.watching(it):
            await until(lambda: ana.kinds().count("alive") >= 2)


async def test_lists_have_tabs_orders_and_pages(rig: Installation, others: Others) -> None:
    await others.user("ana", "sales")
    async with rig.replica() as it:
        ana = Client(it.token(others.tenant_id, "ana"))
        async with ana.watching(it):
            for number in range(5):
                await others.opened(f"v-{number}", minute=number)
            await others.assigned("v-0", "ana")
            assigned = CardState.CARD_STATE_ASSIGNED
            await until(lambda: len(ana.cards) == 5)
            await until(lambda: ana.cards["v-0"].standing.state == assigned)

        async def listed(tab: Tab.ValueType, order: Order.ValueType) -> list[str]:
            names: list[str] = []
            token = ""
            while True:
                request = ListCardsRequest(tab=tab, order=order, page_size=3, page_token=token)
                page = await it.stub.ListCards(request, metadata=ana.token)
                names += [card.conversation_id for card in page.cards]
                token = page.next_page_token
                if not token:
                    return names

        unassigned, mine = Tab.TAB_UNASSIGNED, Tab.TAB_ASSIGNED_TO_ME
        newest, oldest = Order.ORDER_NEWEST_FIRST, Order.ORDER_OLDEST_FIRST
        assert await listed(unassigned, newest) == ["v-4", "v-3", "v-2", "v-1"]
        assert await listed(unassigned, oldest) == ["v-1", "v-2", "v-3", "v-4"]
        assert await listed(mine, newest) == ["v-0"]

        for request, reason in (
            (ListCardsRequest(), "TAB_MISSING"),
            (ListCardsRequest(tab=mine, page_size=201), "PAGE_SIZE_INVALID"),
            (ListCardsRequest(tab=mine, page_token="?"), "PAGE_TOKEN_INVALID"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await it.stub.ListCards(request, metadata=ana.token)
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(refused.value) == reason


async def test_whoever_stops_watching_is_forgotten(rig: Installation, others: Others) -> None:
    await others.user("ana", "sales")
    async with rig.replica() as it, AsyncExitStack() as watching:
        for number in range(20):
            role, user = ("agent", "ana") if number % 2 else ("supervisor", f"sue-{number}")
            client = Client(it.token(others.tenant_id, user, role))
            await watching.enter_async_context(client.watching(it))
        await until(lambda: held(Watcher) == 20)
        await watching.aclose()
        await let_go(Watcher)
