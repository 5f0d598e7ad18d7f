"""What a customer or an agent wrote, who they are and what was signed: in no log, in no stream."""

import asyncio
import json
import logging

import pytest
from aiohttp import web
from centralita.conversations.v1.events_pb2 import ReplyRequested
from centralita.ingestion.v1.events_pb2 import DeliveryUpdated, MessageReceived

from services.kernel.telemetry import JsonLines
from tests.integration.ingestion.world import World
from tests.streams import until

CANARY = "canary7391"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonLines("ingestion"))
    return caplog


async def test_neither_texts_nor_people_nor_signatures_are_logged(
    world: World, lines: pytest.LogCaptureFixture
) -> None:
    message = {
        "providerMessageId": "p-1",
        "senderAddress": f"+{CANARY}",
        "senderName": CANARY,
        "text": CANARY,
    }
    for body in (message, {**message, "senderName": CANARY * 20}, {**message, "text": [CANARY]}):
        await world.post(json.dumps(body).encode())
    await world.post(json.dumps(message).encode(), secret=CANARY)
    await world.post(f"{{{CANARY}".encode())
    world.provider.answers = [web.Response(status=500), web.Response(status=400, text=CANARY)]
    await world.reply(CANARY, recipient_address=CANARY)
    await until(lambda: world.stored("INGESTION", DeliveryUpdated))
    assert "not accepted" in lines.text
    assert CANARY not in lines.text
    assert "v1=" not in lines.text


async def test_a_flood_of_noise_does_not_flood_the_log(
    world: World, lines: pytest.LogCaptureFixture
) -> None:
    path = f"/channels/{world.tenant}/shop/messages"
    await asyncio.gather(*(world.raw("POST", path, b"{}") for _ in range(200)))
    noted = [one for one in lines.records if one.message == "not accepted"]
    assert 10 <= len(noted) < 20


async def test_only_the_work_queues_hold_text_and_they_forget_it(world: World) -> None:
    body = {"providerMessageId": "p-1", "senderAddress": "a", "text": CANARY}
    await world.post(json.dumps(body).encode())
    (received,) = await world.stored("INBOUND", MessageReceived)
    assert received.message.text == CANARY
    await world.reply(CANARY)
    updates = await until(lambda: world.stored("INGESTION", DeliveryUpdated))
    assert CANARY not in str(updates)

    async def forgotten() -> bool:
        return not await world.stored("OUTBOUND", ReplyRequested)

    await until(forgotten)
    refused = await world.bus.js.stream_info("DEAD")
    assert refused.state.messages == 0
