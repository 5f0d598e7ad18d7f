"""A visitor of a web page and an agent, through the one door."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources

from tests.e2e.people import TENANT, Desk, Edge, desk, some

pytestmark = pytest.mark.timeout(60)


async def test_a_visitor_writes_and_reads_the_answer_as_it_comes(edge: Edge) -> None:
    async with (
        desk(edge) as it,
        it.agents[0].at_work() as ana,
        aiohttp.ClientSession() as http,
    ):
        chat = f"{edge.url}/webchat/{TENANT}/{await _web_account(it)}"
        async with http.post(f"{chat}/sessions") as opened:
            assert opened.status == 201
            visitor = {"authorization": f"Bearer {(await opened.json())['token']}"}
        reading = asyncio.create_task(_first_reply(http, chat, visitor))
        message = {"id": "my-first", "text": "do you ship to Peru?"}
        async with http.post(f"{chat}/messages", json=message, headers=visitor) as sent:
            assert sent.status == 202

        offer = await ana.offer()
        await ana.accept(offer.conversation_id)
        await ana.reply(offer.conversation_id, "we do")

        assert (await reading)["text"] == "we do"
        async with http.get(f"{chat}/messages", headers=visitor) as history:
            assert [one["text"] for one in (await history.json())["messages"]] == ["we do"]


async def test_a_visitor_without_a_token_is_told_so(edge: Edge) -> None:
    async with desk(edge) as it, aiohttp.ClientSession() as http:
        chat = f"{edge.url}/webchat/{TENANT}/{await _web_account(it)}"
        async with http.post(f"{chat}/messages", json={"id": "a", "text": "b"}) as refused:
            assert refused.status == 401
            assert (await refused.json())["reason"]


async def _first_reply(
    http: aiohttp.ClientSession, chat: str, visitor: dict[str, str]
) -> dict[str, Any]:
    async with http.get(f"{chat}/events", headers=visitor) as events:
        async for line in events.content:
            if line.startswith(b"data: "):
                reply: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return reply
    raise AssertionError("the stream ended without a reply")


async def _web_account(it: Desk) -> str:
    account = resources.ChannelAccount(
        channel_account_id=some("web"),
        channel=resources.CHANNEL_WEBCHAT,
        display_name="Web",
        queue_id=it.queue_id,
    )
    await it.owner.directory.PutChannelAccount(
        directory.PutChannelAccountRequest(channel_account=account), metadata=it.owner.metadata
    )
    return account.channel_account_id
