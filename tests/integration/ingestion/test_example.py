"""The example connector, run as its reader runs it."""

import asyncio
import sys

import pytest
from centralita.directory.v1.resources_pb2 import CHANNEL_CUSTOM
from centralita.ingestion.v1.events_pb2 import (
    DELIVERY_STATUS_DELIVERED,
    DELIVERY_STATUS_SENT,
    DeliveryUpdated,
    MessageReceived,
)

from services.standalone.servers import free_port
from tests.integration.ingestion.world import SECRET, World
from tests.streams import until


@pytest.mark.parametrize(
    ("good", "held"),
    [
        (["newest", SECRET], [SECRET]),
        (["newest", SECRET], ["newest"]),
        (["newest", SECRET], ["newest", SECRET]),
    ],
)
async def test_the_example_hands_a_message_in_and_prints_the_verified_reply(
    world: World, good: list[str], held: list[str]
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    world.directory.put(
        world.tenant,
        SECRET,
        channel_account_id="mine",
        channel=CHANNEL_CUSTOM,
        callback_url=f"http://{listen}/replies",
    )
    world.directory.accounts[world.tenant, "mine"].secrets[:] = good
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "examples/custom_channel.py",
        *("--edge", f"http://{world.running.http_address}"),
        *("--tenant", world.tenant, "--account", "mine"),
        *(argument for secret in held for argument in ("--secret", secret)),
        *("--text", "Where is it?", "--listen", listen, "--until-reply"),
        stdout=asyncio.subprocess.PIPE,
    )
    (received,) = await until(lambda: world.stored("INBOUND", MessageReceived), within=10)
    assert received.message.text == "Where is it?"
    await world.reply("On its way.", channel_account_id="mine")
    async with asyncio.timeout(20):
        printed, _ = await process.communicate()
    assert process.returncode == 0
    assert printed.decode().splitlines() == ["customer: Where is it?", "agent:    On its way."]
    updates = await world.stored("INGESTION", DeliveryUpdated)
    assert {one.status for one in updates} == {DELIVERY_STATUS_SENT, DELIVERY_STATUS_DELIVERED}
