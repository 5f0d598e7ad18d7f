"""One tenant's questions starve nobody else's: whose turn it is, and for how long."""

import asyncio
import operator
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial

import pytest

from services.dispatch.adapters import fair_share
from services.dispatch.adapters.fair_share import FairShare
from services.dispatch.domain.errors import Busy
from services.kernel.ending import beside
from tests.streams import until

LONG_S = 20.0
FAIR_S = 0.1


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> FairShare:
    monkeypatch.setattr(fair_share, "FAIR_S", FAIR_S)
    return FairShare("RUNNING", "Come again.")


class Questions:
    """What tenants ask, each of which would go on for ever."""

    def __init__(self, share: FairShare) -> None:
        self._share = share
        self.running: list[str] = []
        self.served: list[str] = []

    async def ask(self, tenant_id: str) -> None:
        async with self._share.turn(tenant_id, LONG_S):
            self.running.append(tenant_id)
            self.served.append(tenant_id)
            try:
                await asyncio.Event().wait()
            finally:
                self.running.remove(tenant_id)

    async def flood(self, tenant_id: str) -> None:
        while True:
            with suppress(Busy, TimeoutError):
                await self.ask(tenant_id)
            await asyncio.sleep(0.001)


async def refused(asked: Awaitable[None]) -> Busy:
    with pytest.raises(Busy) as no:
        await asked
    return no.value


async def test_a_tenant_has_one_question_under_way(share: FairShare) -> None:
    asked = Questions(share)
    async with beside(asked.ask("acme")):
        await until(lambda: asked.running)
        with pytest.raises(Busy) as no:
            await asked.ask("acme")
        assert no.value.reason == "RUNNING"
        assert "retryAfter" in no.value.details
    async with beside(asked.ask("acme")):
        await until(lambda: asked.served == ["acme", "acme"])


async def test_a_flood_of_one_tenant_holds_nobody_else_up(share: FairShare) -> None:
    asked = Questions(share)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        floods = [tasks.create_task(asked.flood("acme")) for _ in range(20)]
        await until(lambda: asked.running)
        for tenant in ("globex", "initech", "globex"):
            began = len(asked.served)
            patient = tasks.create_task(asked.flood(tenant))
            await until(partial(operator.contains, asked.running, tenant))
            assert asked.served[began:].count("acme") <= 2
            patient.cancel()
        for one in floods:
            one.cancel()


async def test_whoever_is_cut_short_for_others_is_told_to_come_again(share: FairShare) -> None:
    """They heard that they had asked for too much, and would never have come again."""
    asked = Questions(share)
    async with asyncio.TaskGroup() as tasks:
        cut = tasks.create_task(refused(asked.ask("acme")))
        await until(lambda: asked.running)
        other = tasks.create_task(asked.ask("globex"))
        assert (await cut).details["retryAfter"]
        other.cancel()


async def test_whoever_waited_until_their_time_was_over_is_told_to_come_again(
    share: FairShare,
) -> None:
    asked = Questions(share)
    async with beside(asked.ask("acme")):
        await until(lambda: asked.running)
        with pytest.raises(Busy):
            async with share.turn("globex", FAIR_S / 2):
                raise AssertionError("it is acme's turn")


async def test_who_had_all_the_time_is_told_that_it_was_too_little(share: FairShare) -> None:
    with pytest.raises(TimeoutError):
        async with share.turn("acme", FAIR_S):
            await asyncio.Event().wait()


async def test_who_is_alone_may_take_all_the_time(share: FairShare) -> None:
    asked = Questions(share)
    async with beside(asked.ask("acme")):
        await until(lambda: asked.running)
        await asyncio.sleep(3 * FAIR_S)
        assert asked.running == ["acme"]


async def test_who_could_not_be_served_in_time_is_told_at_once(share: FairShare) -> None:
    asked = Questions(share)
    async with (
        beside(asked.flood("acme")),
        beside(asked.flood("globex")),
        beside(asked.flood("initech")),
    ):
        await until(lambda: len(share._tenants) == 3)
        with pytest.raises(Busy):
            await asked.ask("umbrella")


async def test_who_goes_while_they_wait_leaves_their_place(share: FairShare) -> None:
    asked = Questions(share)
    async with beside(asked.ask("acme")):
        await until(lambda: asked.running)
        async with beside(asked.ask("globex")):
            await until(lambda: len(share._tenants) == 2)
        assert share._tenants == {"acme"}
