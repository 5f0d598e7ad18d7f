"""A visitor of a web page and an agent, through the one door."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources

from services.kernel.client_network import HEADER
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


async def test_a_visitor_sees_their_place_until_an_agent_has_them(edge: Edge) -> None:
    async with desk(edge) as it, aiohttp.ClientSession() as http:
        chat = f"{edge.url}/webchat/{TENANT}/{await _web_account(it)}"
        async with http.post(f"{chat}/sessions") as opened:
            visitor = {"authorization": f"Bearer {(await opened.json())['token']}"}
        assert await _wait(http, chat, visitor) == {"waiting": False}
        message = {"id": "my-first", "text": "is anybody there?"}
        async with http.post(f"{chat}/messages", json=message, headers=visitor) as sent:
            assert sent.status == 202

        # Nobody was ever served in this queue, so nobody can say how long.
        first = {"waiting": True, "position": 1, "p50Seconds": None, "p90Seconds": None}
        await _waits_as(first, http, chat, visitor)
        async with it.agents[0].at_work() as ana:
            offer = await ana.offer()
            await _waits_as({**first, "position": 0}, http, chat, visitor)
            await ana.accept(offer.conversation_id)
            await _waits_as({"waiting": False}, http, chat, visitor)


async def test_who_opens_sessions_under_ever_new_names_ends_soon_and_keeps_nobody_from_writing(
    edge: Edge,
) -> None:
    async with desk(edge) as it, aiohttp.ClientSession() as http:
        chat = f"{edge.url}/webchat/{TENANT}/{await _web_account(it)}"
        async with http.post(f"{chat}/sessions") as opened:
            visitor = {"authorization": f"Bearer {(await opened.json())['token']}"}
        answers = []
        for number in range(60):
            forged = {"x-forwarded-for": f"203.0.113.{number}", HEADER: f"203.0.113.{number}"}
            async with http.post(f"{chat}/sessions", headers=forged) as answer:
                answers.append(answer.status)
        assert set(answers) == {201, 429}
        message = {"id": "my-first", "text": "do you ship to Peru?"}
        async with http.post(f"{chat}/messages", json=message, headers=visitor) as sent:
            assert sent.status == 202


async def test_a_visitor_without_a_token_is_told_so(edge: Edge) -> None:
    async with desk(edge) as it, aiohttp.ClientSession() as http:
        chat = f"{edge.url}/webchat/{TENANT}/{await _web_account(it)}"
        async with http.post(f"{chat}/messages", json={"id": "a", "text": "b"}) as refused:
            assert refused.status == 401
            assert (await refused.json())["reason"]


async def _wait(http: aiohttp.ClientSession, chat: str, visitor: dict[str, str]) -> Any:
    async with http.get(f"{chat}/wait", headers=visitor) as answer:
        assert answer.status == 200
        return await answer.json()


async def _waits_as(
    expected: Any, http: aiohttp.ClientSession, chat: str, visitor: dict[str, str]
) -> None:
    """Ask until the answer is this one, no more often than the rates allow."""
    async with asyncio.timeout(15):
        while True:
            if await _wait(http, chat, visitor) == expected:
                return
            await asyncio.sleep(0.5)


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
