"""How many shards there are is decided once: nobody may be stranded by another number."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import pytest
from centralita.directory.v1.events_pb2 import QueueChanged
from centralita.directory.v1.resources_pb2 import Queue
from nats.js.errors import NotFoundError

from services.dispatch.__main__ import service
from services.dispatch.adapters.logs import input_subject, journal_subject
from services.dispatch.adapters.questions import AskLeader
from services.dispatch.domain.decisions import Reason
from services.dispatch.domain.inputs import Role
from services.dispatch.settings import Settings
from services.dispatch.use_cases.ports import Unknown
from services.dispatch.use_cases.queues import Asker
from services.kernel.bus import Bus, connected
from services.kernel.clock import utc_now
from services.kernel.env import Misconfigured
from services.kernel.ids import new_id
from services.kernel.run import Running
from services.kernel.wire import outgoing
from tests.servers import NatsServer
from tests.streams import until

ROOT = Path(__file__).parents[3]

WRITTEN = "$KV.dispatch-leases.shards"


def router(url: str, shards: int) -> AbstractAsyncContextManager[Running]:
    return service(Settings(nats_url=url, grpc_address="127.0.0.1:0", shards=shards))


async def refused(url: str, shards: int) -> str:
    with pytest.raises(Misconfigured) as no:
        async with router(url, shards):
            pass
    return no.value.problems["SHARDS"]


async def written(bus: Bus) -> bytes | None:
    try:
        return (await bus.js.get_last_msg("KV_dispatch-leases", WRITTEN)).data
    except NotFoundError:
        return None


async def test_another_number_of_shards_strands_nobody_it_is_refused(
    bus: Bus, nats_url: str
) -> None:
    async with router(nats_url, 2):
        assert await written(bus) == b"2"
        assert "SHARDS=2" in await refused(nats_url, 3)
    assert "docs/runbook/shards.md" in await refused(nats_url, 1)
    async with router(nats_url, 2):
        assert await written(bus) == b"2"


@pytest.mark.parametrize("shards", [0, -4])
async def test_without_a_shard_nobody_could_be_routed(bus: Bus, nats_url: str, shards: int) -> None:
    assert "from 1 on" in await refused(nats_url, shards)
    assert await written(bus) is None


@pytest.mark.parametrize("told", [2, 8])
async def test_an_installation_of_before_shows_its_number_by_its_leases(
    bus: Bus, nats_url: str, told: int
) -> None:
    for shard in range(4):
        await bus.js.publish(f"$KV.dispatch-leases.shard-{shard}", b"somebody-who-is-gone")
    assert "SHARDS=4" in await refused(nats_url, told)
    async with router(nats_url, 4):
        assert await written(bus) == b"4"


@pytest.mark.parametrize("subject", [input_subject(3), journal_subject(3)])
async def test_where_the_leases_are_lost_the_logs_show_that_there_were_more(
    bus: Bus, nats_url: str, subject: str
) -> None:
    await bus.js.publish(subject, b"")
    assert "4 shards or more" in await refused(nats_url, 3)
    assert await written(bus) is None, "nobody knows yet how many there were"


@pytest.mark.parametrize(
    "said", [b"many", b"0", b"-1", b"\xff", "٤".encode(), b"2" * 5000, b"\xb2"]
)
async def test_a_number_that_is_none_is_found_out_anew(
    bus: Bus, nats_url: str, said: bytes
) -> None:
    await bus.js.publish("$KV.dispatch-leases.shard-1", b"somebody-who-is-gone")
    await bus.js.publish(WRITTEN, said)
    assert "SHARDS=2" in await refused(nats_url, 3)
    async with router(nats_url, 2):
        assert await written(bus) == b"2"


async def test_of_two_who_come_first_with_different_numbers_one_is_right(
    bus: Bus, nats_url: str
) -> None:
    outcomes = await asyncio.gather(*(began(nats_url, shards) for shards in (2, 3)))
    assert sorted(outcomes) == [False, True]


async def began(url: str, shards: int) -> bool:
    try:
        async with router(url, shards):
            return True
    except Misconfigured:
        return False


async def test_the_way_of_the_runbook_leads_to_another_number(private_nats: NatsServer) -> None:
    event = QueueChanged(
        tenant_id="acme", queue_id="sales", version=1, queue=Queue(queue_id="sales")
    )
    async with connected(private_nats.url, name="tests") as bus:
        config = (await bus.js.stream_info("DISPATCH_IN")).config
        await bus.js.update_stream(config, duplicate_window=0.1)
        async with router(private_nats.url, 2):
            await bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))
            await known(bus, shards=2)
        await forgotten(bus)
        for command in commands_of("docs/runbook/shards.md"):
            match command:
                case ["stream", "purge", stream, "-f"]:
                    await bus.js.purge_stream(stream)
                case ["consumer", "rm", stream, durable, "-f"]:
                    await bus.js.delete_consumer(stream, durable)
                case _:
                    raise AssertionError(command)
        async with router(private_nats.url, 3):
            await known(bus, shards=3)
            assert await written(bus) == b"3"


async def forgotten(bus: Bus) -> None:
    """Wait until the log of inputs takes what it was told so far for no repetition any more."""

    async def it_is() -> bool:
        again = await bus.js.publish(input_subject(0), b"", headers={"Nats-Msg-Id": "probe"})
        return not again.duplicate

    assert await it_is()
    await until(it_is)


def commands_of(page: str) -> list[list[str]]:
    lines = (ROOT / page).read_text().splitlines()
    return [line.split()[1:] for line in lines if line.startswith("       nats ")]


async def known(bus: Bus, *, shards: int) -> None:
    """Wait until whoever leads the tenant's shard knows its queue."""

    async def it_is() -> bool:
        asker = Asker("mia", Role.MANAGER)
        with suppress(Unknown):
            return not isinstance(
                await AskLeader(bus, shards).queue("acme", "sales", asker), Reason
            )
        return False

    await until(it_is, within=15)
