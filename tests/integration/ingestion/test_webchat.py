"""The widget's side: a session, messages in, and every reply exactly once, also after a break."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse
from centralita.directory.v1.resources_pb2 import CHANNEL_WEBCHAT
from centralita.ingestion.v1 import events_pb2 as events
from centralita.ingestion.v1.events_pb2 import MessageReceived

from services.ingestion.__main__ import service
from services.ingestion.adapters import bells
from services.ingestion.adapters.mongo import MongoReplies, create_indexes
from services.ingestion.domain.account import Channel
from services.ingestion.domain.delivery import Reply
from services.ingestion.domain.visitor import Visitor, issue
from services.ingestion.settings import Settings
from services.kernel.client_network import HEADER
from services.kernel.clock import utc_now
from services.kernel.mongo import Database
from tests.integration.ingestion.world import WEB_SECRET, Answered, World
from tests.streams import until

PAGE = {"Origin": "https://shop.example"}


@dataclass
class Chat:
    """One visitor's page."""

    world: World
    visitor_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {**PAGE, "Authorization": f"Bearer {self.token}"}

    async def say(self, client_id: str, text: str = "hi") -> Answered:
        body = json.dumps({"id": client_id, "text": text}).encode()
        return await self.world.raw("POST", path(self.world, "messages"), body, self.headers)

    async def told(self, text: str) -> str:
        """An agent replies."""
        return await self.world.reply(
            text,
            channel=CHANNEL_WEBCHAT,
            channel_account_id="web",
            recipient_address=self.visitor_id,
            conversation_id=f"c-{self.visitor_id}",
        )

    async def history(self, after: str = "") -> list[dict[str, Any]]:
        where = path(self.world, f"messages?after={after}")
        answer = await self.world.raw("GET", where, headers=self.headers)
        assert answer.status == 200
        return list(answer.body["messages"])

    @asynccontextmanager
    async def events(self, last: str = "", **more: str) -> AsyncIterator[ClientResponse]:
        headers = self.headers | ({"Last-Event-ID": last} if last else {}) | more
        async with self.world.http.get(path(self.world, "events"), headers=headers) as response:
            yield response


def path(world: World, what: str) -> str:
    return f"/webchat/{world.tenant}/web/{what}"


async def opened(world: World, **headers: str) -> Chat:
    answer = await world.raw("POST", path(world, "sessions"), headers={**PAGE, **headers})
    assert answer.status == 201, answer
    return Chat(world, answer.body["visitorId"], answer.body["token"])


async def event(response: ClientResponse) -> dict[str, str]:
    """The next event of a stream, passing comments over."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(10):
        while True:
            line = (await response.content.readline()).decode().rstrip("\n")
            if not line and "data" in fields:
                return fields
            assert line or not response.content.at_eof()
            name, _, value = line.partition(": ")
            fields[name] = value


def texts(replies: list[dict[str, Any]]) -> list[str]:
    return [one["text"] for one in replies]


async def test_a_visitor_s_message_is_received_once_under_their_own_name(world: World) -> None:
    ana, ben = await opened(world), await opened(world)
    for chat in (ana, ana, ben):
        assert (await chat.say("1")).status == 202
    found = await world.stored("INBOUND", MessageReceived)
    assert [one.message.provider_message_id for one in found] == [
        f"{ana.visitor_id}:1",
        f"{ben.visitor_id}:1",
    ]
    assert [one.message.sender_address for one in found] == [ana.visitor_id, ben.visitor_id]
    assert {one.channel for one in found} == {CHANNEL_WEBCHAT}


async def test_a_page_that_says_something_else_under_a_known_id_is_told_so(world: World) -> None:
    ana, ben = await opened(world), await opened(world)
    assert (await ana.say("1", "yes")).status == 202
    refused = await ana.say("1", "no")
    assert (refused.status, refused.reason) == (409, "MESSAGE_ID_REUSED")
    assert (await ben.say("1", "no")).status == 202


async def test_a_reply_is_pushed_live_and_kept(world: World) -> None:
    chat = await opened(world)
    async with chat.events() as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        message_id = await chat.told("¡Hola!\nAna")
        got = await event(stream)
    assert json.loads(got["data"])["text"] == "¡Hola!\nAna"
    assert json.loads(got["data"])["id"] == message_id
    assert await chat.history() == [json.loads(got["data"])]
    assert await chat.history(after=got["id"]) == []

    async def sent() -> list[events.DeliveryUpdated]:
        return await world.stored("INGESTION", events.DeliveryUpdated)

    (update,) = await until(sent)
    assert (update.message_id, update.status) == (message_id, events.DELIVERY_STATUS_SENT)


async def test_a_page_that_comes_back_sees_each_reply_once(world: World) -> None:
    chat = await opened(world)
    seen, last = [], ""
    for round_ in range(4):
        await chat.told(f"{round_}a")
        await until(lambda: _count(chat, 2 * round_ + 1))  # noqa: B023 (awaited in this round)
        async with chat.events(last) as stream:
            await chat.told(f"{round_}b")
            for _ in range(2):
                got = await event(stream)
                seen.append(json.loads(got["data"])["text"])
                last = got["id"]
    assert seen == [f"{round_}{half}" for round_ in range(4) for half in "ab"]
    assert seen == texts(await chat.history())


async def _count(chat: Chat, number: int) -> bool:
    return len(await chat.history()) >= number


async def test_every_page_and_replica_of_a_visitor_hears(
    world: World, settings: dict[str, Any]
) -> None:
    chat = await opened(world)
    second = Settings(
        grpc_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        directory_address=world.directory.address,
        service_secret="ingestion",
        **settings,
    )
    async with (
        service(second) as other,
        world.http.get(
            f"http://{other.http_address}{path(world, 'events')}", headers=chat.headers
        ) as far,
        chat.events() as near,
    ):
        await chat.told("hello")
        for stream in (near, far):
            assert json.loads((await event(stream))["data"])["text"] == "hello"


async def test_a_visitor_does_not_see_another_s_replies(world: World) -> None:
    ana, ben = await opened(world), await opened(world)
    await ana.told("for Ana")
    await until(lambda: _count(ana, 1))
    assert await ben.history() == []


async def test_many_replies_at_once_leave_no_gap_for_a_reader(db: Database, tenant: str) -> None:
    replies = MongoReplies(db, utc_now)
    visitor, stop = Visitor(tenant, "web", "v1"), asyncio.Event()
    await create_indexes(db)

    async def reader() -> list[str]:
        seen, after = [], 0
        while True:
            over = stop.is_set()
            for one in await replies.after(visitor, after, 100):
                seen.append(one.message_id)
                after = one.position
            if over:
                return seen

    async def keep(message_id: str) -> None:
        reply = Reply(tenant, "c", message_id, Channel.WEBCHAT, "web", "v1", "x", utc_now(), 1)
        for _ in range(2):
            await replies.keep(visitor, reply)

    reading = asyncio.create_task(reader())
    ids = [f"m-{number}" for number in range(12)]
    await asyncio.gather(*map(keep, ids))
    stop.set()
    assert sorted(await reading) == sorted(ids)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer nonsense", "Bearer a.1.b", "Basic abc"]
)
@pytest.mark.parametrize(
    ("method", "what"), [("POST", "messages"), ("GET", "messages"), ("GET", "events")]
)
async def test_nothing_opens_without_a_token(
    world: World, method: str, what: str, authorization: str
) -> None:
    answer = await world.raw(
        method, path(world, what), b"", {**PAGE, "Authorization": authorization}
    )
    assert (answer.status, answer.reason) == (401, "VISITOR_TOKEN_REFUSED")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"], "the page may read it"


async def test_a_token_can_be_renewed_and_stays_the_same_visitor(world: World) -> None:
    chat = await opened(world)
    again = await opened(world, Authorization=f"Bearer {chat.token}")
    assert again.visitor_id == chat.visitor_id
    old = issue(
        Visitor(world.tenant, "web", chat.visitor_id), WEB_SECRET, datetime(2020, 1, 1, tzinfo=UTC)
    )
    answer = await world.raw(
        "POST", path(world, "sessions"), b"", {"Authorization": f"Bearer {old}"}
    )
    assert (answer.status, answer.reason) == (401, "VISITOR_TOKEN_REFUSED")


async def test_only_listed_pages_may_carry_the_widget(world: World) -> None:
    foreign = {"Origin": "https://evil.example"}
    answer = await world.raw("POST", path(world, "sessions"), b"", foreign)
    assert (answer.status, answer.reason) == (403, "ORIGIN_REFUSED")
    assert "Access-Control-Allow-Origin" not in answer.headers
    answer = await world.raw("OPTIONS", path(world, "messages"), b"", foreign)
    assert answer.status == 403
    for origin in (PAGE, {"Origin": f"http://{world.running.http_address}"}, {}):
        answer = await world.raw("POST", path(world, "sessions"), b"", origin)
        assert answer.status == 201
    assert allowed(await world.raw("OPTIONS", path(world, "messages"), b"", PAGE))


def allowed(answer: Answered) -> bool:
    headers: Mapping[str, str] = answer.headers
    return (
        answer.status == 204
        and headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        and "authorization" in headers["Access-Control-Allow-Headers"]
    )


async def test_a_visitor_in_a_hurry_is_told_to_wait(world: World) -> None:
    chat = await opened(world)
    answers = [await chat.say(str(number)) for number in range(12)]
    assert answers[0].status == 202
    assert (answers[-1].status, answers[-1].reason) == (429, "RATE_LIMITED")
    assert int(answers[-1].headers["Retry-After"]) >= 1


async def test_an_address_that_opens_sessions_without_end_starves_nobody(world: World) -> None:
    stranger, customer = {HEADER: "203.0.113.9"}, {HEADER: "203.0.113.7"}
    asked = [
        await world.raw("POST", path(world, "sessions"), headers=PAGE | stranger)
        for _ in range(150)
    ]
    assert {answer.status for answer in asked} == {201, 429}
    theirs = [answer for answer in asked if answer.status == 201]
    assert 30 <= len(theirs) < 50
    # They may still write, but not all of what the account takes: it is less than a hundred.
    written = [
        await world.raw(
            "POST",
            path(world, "messages"),
            json.dumps({"id": str(number), "text": "noise"}).encode(),
            stranger | {"Authorization": f"Bearer {answer.body['token']}"},
        )
        for number in range(4)
        for answer in theirs
    ]
    assert {answer.status for answer in written} == {202, 429}
    assert 50 <= sum(answer.status == 202 for answer in written) < 90

    chat = await opened(world, **customer)
    assert (await chat.say("1")).status == 202


async def test_streams_of_one_address_are_bounded_whoever_its_visitors_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "MOST_PER_CLIENT", 3)
    chats = [await opened(world) for _ in range(4)]
    stranger = {HEADER: "203.0.113.9"}
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(chat.events(**stranger)) for chat in chats for _ in "12"
        ]
        assert [one.status for one in streams] == [200] * 3 + [429] * 5
        another = await stack.enter_async_context(chats[0].events(**{HEADER: "203.0.113.7"}))
        assert another.status == 200


async def test_an_unknown_or_foreign_account_has_no_chat(world: World) -> None:
    for account in ("none", "shop"):
        answer = await world.raw("POST", f"/webchat/{world.tenant}/{account}/sessions")
        assert (answer.status, answer.reason) == (404, "CHANNEL_ACCOUNT_NOT_FOUND")


async def test_a_stream_cannot_resume_from_nonsense(world: World) -> None:
    chat = await opened(world)
    async with chat.events("yesterday") as refused:
        assert refused.status == 400
        assert (await refused.json())["reason"] == "MESSAGE_MALFORMED"


async def test_a_stream_ends_at_once_when_its_replica_stops(
    world: World, settings: dict[str, Any]
) -> None:
    chat = await opened(world)
    other = Settings(
        grpc_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        directory_address=world.directory.address,
        service_secret="ingestion",
        **settings,
    )
    async with AsyncExitStack() as leaving:
        running = await leaving.enter_async_context(service(other))
        where = f"http://{running.http_address}{path(world, 'events')}"
        async with world.http.get(where, headers=chat.headers) as stream:
            await stream.content.readline()
            began = asyncio.get_running_loop().time()
            await leaving.aclose()
            await stream.read()
            assert asyncio.get_running_loop().time() - began < 3


class TestOfALivingStream:
    @pytest.fixture
    def settings(self, nats_url: str, mongo_url: str) -> dict[str, Any]:
        often = timedelta(milliseconds=50)
        return {"nats_url": nats_url, "mongo_url": mongo_url, "webchat_keep_alive": often}

    async def test_a_quiet_stream_shows_that_it_lives(self, world: World) -> None:
        chat = await opened(world)
        async with chat.events() as stream, asyncio.timeout(5):
            lines = [await stream.content.readline() for _ in range(8)]
        assert lines.count(b": alive\n") >= 3

    async def test_too_many_streams_of_one_visitor_are_refused(self, world: World) -> None:
        chat = await opened(world)
        async with asyncio.timeout(5):
            streams = [
                await world.http.get(path(world, "events"), headers=chat.headers) for _ in range(11)
            ]
        assert [one.status for one in streams] == [200] * 10 + [429]
        for one in streams:
            one.close()
