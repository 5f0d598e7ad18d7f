"""The stream is the store: races, lost acks, restarts and its own forgetting lose nothing."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from centralita.workspace.v1.resources_pb2 import Card
from nats.js.errors import NotFoundError

from services.kernel.bus import Bus, BusUnavailable, connected
from services.kernel.clock import utc_now
from services.workspace.adapters.last_words import LastOnCards, LastOnViewers
from services.workspace.domain.card import CardState, Standing
from services.workspace.domain.errors import Stale
from services.workspace.domain.sources import Ended, Fact, Opening, Routed, Said, Sources
from services.workspace.domain.viewer import Role, Viewer
from services.workspace.use_cases.fold import FoldFact
from services.workspace.use_cases.viewers import FollowUser
from tests.integration.workspace.rig import Client, Others, Replica, folded, installation
from tests.servers import NatsServer
from tests.streams import until

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
OPENING = Opening("c-1", 1, "web", "sales", NINE)
RINGS = Routed(2, Standing(CardState.OFFERED, "sales", "ana"), NINE)
FACTS: list[Fact] = [OPENING, RINGS, *(Said(number, NINE) for number in range(1, 9)), Ended()]


async def stored(bus: Bus) -> int:
    return int((await bus.js.stream_info("WORKSPACE")).state.messages)


async def test_what_was_told_is_read_back_and_stands_where_it_says(bus: Bus, tenant: str) -> None:
    cards = LastOnCards(bus, utc_now)
    assert await cards.read(tenant, "v-1") is None
    before = Sources(tenant, "v-1")
    after = before.told(OPENING, RINGS, Said(1, NINE))
    await cards.save(before, after)

    read = await LastOnCards(bus, utc_now).read(tenant, "v-1")
    assert read == after == cards.recalled(tenant, "v-1")
    state = (await bus.js.stream_info("WORKSPACE")).state
    assert read.position == state.last_seq


async def test_of_two_who_tell_at_once_one_is_stale(bus: Bus, tenant: str) -> None:
    one, two = LastOnCards(bus, utc_now), LastOnCards(bus, utc_now)
    before = Sources(tenant, "v-1")
    await one.save(before, before.told(OPENING))
    with pytest.raises(Stale):
        await two.save(before, before.told(RINGS))
    known = await two.read(tenant, "v-1")
    assert known is not None
    await two.save(known, known.told(RINGS))
    with pytest.raises(Stale):
        await one.save(known, known.told(Ended()))

    assert await one.read(tenant, "v-1") == before.told(OPENING).told(RINGS)
    assert await stored(bus) == 2


async def test_replicas_that_race_fold_everything(bus: Bus, tenant: str) -> None:
    replicas = [FoldFact(LastOnCards(bus, utc_now)) for _ in range(3)]
    work = enumerate([*FACTS, *FACTS])
    await asyncio.gather(*(replicas[n % 3](tenant, "v-1", fact) for n, fact in work))

    read = await LastOnCards(bus, utc_now).read(tenant, "v-1")
    assert read is not None
    assert (read.opening, read.routed, read.message_count, read.ended) == (OPENING, RINGS, 8, True)


async def test_an_ack_that_never_came_makes_no_second_word(
    bus: Bus, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = bus.append

    async def unheard(*args: Any, **named: Any) -> int:
        await append(*args, **named)
        raise BusUnavailable("no ack in time")

    fold = FoldFact(LastOnCards(bus, utc_now))
    first: tuple[Fact, Fact] = (OPENING, RINGS)
    for number, fact in enumerate(first, 1):
        monkeypatch.setattr(bus, "append", unheard)
        with pytest.raises(BusUnavailable):
            await fold(tenant, "v-1", fact)
        monkeypatch.setattr(bus, "append", append)
        await fold(tenant, "v-1", fact)  # the bus delivers it again
        assert await stored(bus) == number


async def test_a_viewer_changes_once(bus: Bus, tenant: str) -> None:
    ana = Viewer(tenant, "ana", Role.AGENT, frozenset({"sales"}), 1)
    ben = Viewer(tenant, "ben", Role.MANAGER, frozenset(), 1)
    replicas = [FollowUser(LastOnViewers(bus, utc_now)) for _ in range(3)]
    await asyncio.gather(*(follow(user) for follow in replicas for user in (ana, ben)))

    assert await stored(bus) == 2
    assert await LastOnViewers(bus, utc_now).read(tenant, "ana") == ana


async def test_a_view_built_anew_is_the_same(bus: Bus, nats_url: str, tenant: str) -> None:
    others = Others(bus, tenant)
    await others.user("ana", "sales")
    async with installation(nats_url) as rig:
        async with rig.replica() as it:
            await tell(others)
            before = await view(it, others, "the-end")
        await forget(bus)
        async with rig.replica() as it:
            after = await view(it, others, "the-very-end")

    assert after.pop("the-very-end")
    assert after == before
    assert set(before) == {"v-1", "v-2", "the-end"}


async def view(it: Replica, others: Others, end: str) -> dict[str, Card]:
    """What ana sees when everything was folded; `end` is the last that is."""
    await folded(others.bus)
    await others.opened(end)
    ana = Client(it.token(others.tenant_id, "ana"))
    async with ana.watching(it):
        await until(lambda: end in ana.cards)
    for card in ana.cards.values():
        card.ClearField("revision")  # facts that come together share one
    return ana.cards


async def tell(others: Others) -> None:
    for name in ("v-1", "v-2", "v-3"):
        await others.opened(name)
    for arrival in (1, 2, 3):
        await others.appended("v-1", arrival)
    await others.offered("v-2", "ana")
    await others.assigned("v-2", "ana")
    await others.closed("v-3")


async def forget(bus: Bus) -> None:
    await bus.js.purge_stream("WORKSPACE")
    for stream in ("DIRECTORY", "CONVERSATIONS", "DISPATCH"):
        for consumer in await bus.js.consumers_info(stream):
            if consumer.name.startswith("workspace-"):
                await bus.js.delete_consumer(stream, consumer.name)


async def test_an_open_card_outlives_the_age_of_its_stream(
    private_nats: NatsServer, tenant: str
) -> None:
    async with connected(private_nats.url, name="tests") as bus:
        config = (await bus.js.stream_info("WORKSPACE")).config
        await bus.js.update_stream(config.evolve(max_age=3.0, duplicate_window=1.0))
        others = Others(bus, tenant)
        await others.user("ana", "sales")
        cards = LastOnCards(bus, utc_now)
        async with installation(private_nats.url) as rig:
            async with rig.replica() as one, rig.replica() as two:
                ana = Client(one.token(tenant, "ana"))
                async with ana.watching(one):
                    for name in ("v-1", "v-2"):
                        await others.opened(name)
                    await others.offered("v-1", "ana")
                    await ana.sees("v-1", "v-2")
                    await others.closed("v-2")
                    await ana.sees("v-1")
                first = await cards.read(tenant, "v-1")
                assert first is not None

                async def forgotten() -> bool:
                    try:
                        await bus.js.get_msg("WORKSPACE", first.position)
                    except NotFoundError:
                        return await cards.read(tenant, "v-2") is None
                    return False

                await until(forgotten, within=15)
                async with ana.watching(two):
                    await ana.sees("v-1")
            async with rig.replica() as fresh:
                anew = Client(fresh.token(tenant, "ana"))
                async with anew.watching(fresh):
                    await anew.sees("v-1")
                    await others.completed("v-1", "ana")
                    await anew.sees()
        last = await cards.read(tenant, "v-1")
    assert last is not None
    assert last.opening == first.opening
    assert last.standing.state is CardState.CLOSED


JUNK = (b"\xff", b"{}", b'{"stream":"SUBMISSIONS","seq":1}')


async def test_a_card_goes_on_from_its_last_word_that_can_be_read(bus: Bus, tenant: str) -> None:
    """Every later fact of the conversation failed over it."""
    cards = LastOnCards(bus, utc_now)
    before = Sources(tenant, "v-1")
    await cards.save(before, before.told(OPENING))
    for junk in JUNK:
        await bus.js.publish(f"cc.{tenant}.workspace.v1.card.changed.v-1", junk)
    await FoldFact(cards)(tenant, "v-1", RINGS)
    assert await LastOnCards(bus, utc_now).read(tenant, "v-1") == before.told(OPENING).told(RINGS)


async def test_a_viewer_follows_the_directory_past_a_word_that_cannot_be_read(
    bus: Bus, tenant: str
) -> None:
    for junk in JUNK:
        await bus.js.publish(f"cc.{tenant}.workspace.v1.viewer.changed.ana", junk)
    sales = Viewer(tenant, "ana", Role.SUPERVISOR, frozenset({"sales"}), 1)
    viewers = LastOnViewers(bus, utc_now)
    await FollowUser(viewers)(sales)
    read = await viewers.read(tenant, "ana")
    assert read is not None
    assert (read.role, read.queue_ids, read.version) == (Role.SUPERVISOR, frozenset({"sales"}), 1)
