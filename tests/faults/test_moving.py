"""Shards move between routers under load, planned and not, and nobody loses or doubles a task."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.js.errors import KeyNotFoundError

from services.kernel.bus import Bus
from tests.faults import journal_reader
from tests.faults.floor import SHARDS, Floor, floor
from tests.faults.routers import Router, Routers, routers
from tests.servers import NatsServer
from tests.streams import until

pytestmark = pytest.mark.timeout(120)

SOON = {"settled_after": "0.3"}
NEVER = {"settled_after": "3600"}


@pytest.fixture
def them(private_nats: NatsServer, tmp_path: Path) -> Iterator[Routers]:
    with routers(private_nats.url, tmp_path) as started:
        yield started


@asynccontextmanager
async def busy(nats: NatsServer) -> AsyncIterator[Floor]:
    """Load from beginning to end; afterwards every task was offered and completed, once."""
    async with floor(nats.url) as people:
        load = asyncio.create_task(people.submit(100_000, every=0.01))
        yield people
        people.enough.set()
        await load
        await people.done()
        audit = await journal_reader.read(nats.url, people.answers)
        assert not audit.problems, "\n".join(audit.problems[:20])
        assert not audit.unknown(people.submitted)
        assert sum(it.completed for it in audit.shards.values()) == len(people.submitted)


async def leader(bus: Bus, shard: int) -> str:
    """Who leads a shard, as the bucket says; empty: nobody."""
    bucket = await bus.js.key_value("dispatch-leases")
    try:
        words = (await bucket.get(f"shard-{shard}")).value or b""
    except KeyNotFoundError:
        return ""
    return words.decode().partition(">")[0]


async def spread(people: Floor, over: int) -> None:
    async def it_is() -> bool:
        names = [await leader(people.bus, shard) for shard in range(SHARDS)]
        return "" not in names and len(set(names)) == over

    await until(it_is, within=30)


async def goes_on(people: Floor) -> None:
    """Wait until work done from now on has come to its end."""
    before = len(people.completed)
    await until(lambda: len(people.completed) > before + 60, within=30)


def stepped_down(*started: Router) -> bool:
    return any("stepped down" in it.log for it in started)


def all_lead(*started: Router) -> Callable[[], bool]:
    return lambda: all(it.leads for it in started)


async def test_a_new_router_gets_its_share_and_a_third_nothing(
    private_nats: NatsServer, them: Routers
) -> None:
    async with busy(private_nats) as people:
        first = them.start(**SOON)
        await until(lambda: first.log.count('"leading"') == SHARDS, within=30)
        second = them.start(**SOON)
        await spread(people, over=2)
        await goes_on(people)
        third = them.start(**SOON)
        await until(lambda: third.serves, within=30)
        await goes_on(people)
        await spread(people, over=2)
        assert first.log.count("passed on") == 1, "as few moves as can be"
        assert second.log.count('"leading"') == 1
        assert not third.leads
        assert not stepped_down(first, second, third)


async def test_a_router_that_is_told_to_stop_passes_its_shards_on(
    private_nats: NatsServer, them: Routers
) -> None:
    async with busy(private_nats) as people:
        started = [them.start(**SOON), them.start(**SOON)]
        await spread(people, over=2)
        await until(all_lead(*started), within=30)
        await goes_on(people)
        await asyncio.to_thread(started[0].stop)
        await spread(people, over=1)
        await goes_on(people)
        assert "passed on" in started[0].log
        assert not stepped_down(*started)
        third = them.start(**SOON)
        await spread(people, over=2)
        await goes_on(people)
        assert third.leads


async def test_what_a_killed_router_led_is_led_by_those_who_are_left(
    private_nats: NatsServer, them: Routers
) -> None:
    async with busy(private_nats) as people:
        started = [them.start(**SOON) for _ in range(3)]
        await spread(people, over=2)
        await goes_on(people)
        victim = next(it for it in started if it.leads)
        left = [it for it in started if it is not victim]
        victim.end()
        await until(all_lead(*left), within=30)
        await spread(people, over=2)
        await goes_on(people)
        left[0].end()
        await spread(people, over=1)
        await goes_on(people)


@pytest.mark.long
async def test_who_comes_and_goes_gets_nothing_until_it_stays(
    private_nats: NatsServer, them: Routers
) -> None:
    async with busy(private_nats) as people:
        steady = them.start(**NEVER)
        await until(lambda: steady.log.count('"leading"') == SHARDS, within=30)
        for _ in range(3):
            restless = them.start(**NEVER)
            await until(lambda it=restless: it.serves, within=30)  # type: ignore[misc] # bound now
            await goes_on(people)
            assert not restless.leads
            restless.end()
        last = them.start(**NEVER)
        await until(lambda: last.serves, within=30)
        await asyncio.to_thread(steady.stop)
        await until(lambda: last.log.count('"leading"') == SHARDS, within=30)
        await goes_on(people)
        assert steady.log.count("passed on") == SHARDS, "better one who came just now than nobody"


@pytest.mark.long
async def test_a_successor_that_freezes_as_it_takes_over_is_replaced(
    private_nats: NatsServer, them: Routers
) -> None:
    async with busy(private_nats) as people:
        first = them.start(**SOON)
        await until(lambda: first.log.count('"leading"') == SHARDS, within=30)
        await goes_on(people)
        second = them.start(**SOON, accident="folded:1:SIGSTOP")
        await until(lambda: second.frozen, within=30)
        await until(lambda: first.log.count('"leading"') > SHARDS, within=30)
        await goes_on(people)
        second.thaw()
        await goes_on(people)
