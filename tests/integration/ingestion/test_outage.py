"""The bus goes away and comes back: what was not acknowledged is said to be so, and heals."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from centralita.ingestion.v1.events_pb2 import MessageReceived

from services.kernel.bus import connected
from tests.integration.ingestion.world import World, stored
from tests.servers import NatsServer
from tests.streams import until

HELLO = Path("tests/payloads/custom/hello.json").read_bytes()


@pytest.fixture
def nats_url(private_nats: NatsServer) -> str:
    return private_nats.url


@pytest.fixture
def settings(private_nats: NatsServer, mongo_url: str) -> dict[str, Any]:
    return {"nats_url": private_nats.url, "mongo_url": mongo_url}


async def test_no_2xx_without_the_bus_and_one_message_after_it(
    world: World, private_nats: NatsServer
) -> None:
    assert (
        await world.post(b'{"providerMessageId":"0","senderAddress":"a","text":"t"}')
    ).status == 202
    private_nats.kill()
    answers = await asyncio.gather(*(world.post(HELLO) for _ in range(3)))
    assert {(answer.status, answer.reason) for answer in answers} == {(503, "BUS_UNAVAILABLE")}
    assert all(answer.headers["Retry-After"] for answer in answers)
    private_nats.start()

    async def accepted() -> bool:
        return (await world.post(HELLO)).status == 202

    await until(accepted, within=20)
    async with connected(private_nats.url, name="reader") as bus:
        found = await stored(bus, "INBOUND", MessageReceived, world.tenant)
    assert len(found) == 2


async def test_a_reply_asked_for_after_an_outage_is_delivered(
    world: World, private_nats: NatsServer
) -> None:
    private_nats.kill()
    private_nats.start()
    await until(lambda: world.bus.nc.is_connected, within=20)
    message_id = await world.reply()
    await until(lambda: world.provider.arrived, within=10)
    assert world.provider.arrived[0].message_id == message_id
