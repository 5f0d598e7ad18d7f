"""How long it will take, asked by a page and by a connector, with those who know it played."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import pytest
from centralita.conversations.v1 import conversations_service_pb2 as conversations
from centralita.conversations.v1.conversations_service_pb2_grpc import (
    ConversationsServiceServicer,
    add_ConversationsServiceServicer_to_server,
)
from centralita.conversations.v1.resources_pb2 import Conversation
from centralita.dispatch.v1 import dispatch_service_pb2 as dispatch
from centralita.dispatch.v1.dispatch_service_pb2_grpc import (
    DispatchServiceServicer,
    add_DispatchServiceServicer_to_server,
)

from tests.integration.ingestion.test_webchat import PAGE, Chat, allowed, opened, path
from tests.integration.ingestion.world import Answered, Context, World


@dataclass
class Known:
    """What conversations and dispatch know. None: they do not answer."""

    open: dict[tuple[str, str, str], Conversation] | None = field(default_factory=dict)
    line: dict[str, dispatch.GetWaitResponse] | None = field(default_factory=dict)
    address: str = ""


class FakeConversations(ConversationsServiceServicer):
    def __init__(self, known: Known) -> None:
        self._known = known

    async def GetOpenConversation(  # noqa: N802 (named by the proto)
        self, request: conversations.GetOpenConversationRequest, context: Context
    ) -> conversations.GetOpenConversationResponse:
        asked = (request.tenant_id, request.channel_account_id, request.address)
        if self._known.open is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "out")
        elif asked not in self._known.open:
            await context.abort(grpc.StatusCode.NOT_FOUND, "none")
        assert self._known.open is not None
        return conversations.GetOpenConversationResponse(conversation=self._known.open[asked])


class FakeDispatch(DispatchServiceServicer):
    def __init__(self, known: Known) -> None:
        self._known = known

    async def GetWaitForTenant(  # noqa: N802 (named by the proto)
        self, request: dispatch.GetWaitForTenantRequest, context: Context
    ) -> dispatch.GetWaitForTenantResponse:
        if self._known.line is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "nobody leads")
        elif request.task_id not in self._known.line:
            await context.abort(grpc.StatusCode.NOT_FOUND, "none")
        assert self._known.line is not None
        return dispatch.GetWaitForTenantResponse(wait=self._known.line[request.task_id])


@pytest.fixture
async def knowing() -> AsyncIterator[Known]:
    it, server = Known(), grpc.aio.server()
    add_ConversationsServiceServicer_to_server(FakeConversations(it), server)  # type: ignore[abstract] # only in the stubs
    add_DispatchServiceServicer_to_server(FakeDispatch(it), server)  # type: ignore[abstract] # only in the stubs
    it.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield it
    finally:
        await server.stop(0)


@pytest.fixture
def settings(nats_url: str, mongo_url: str, knowing: Known) -> dict[str, Any]:
    return {
        "nats_url": nats_url,
        "mongo_url": mongo_url,
        "conversations_address": knowing.address,
        "dispatch_address": knowing.address,
    }


def waits(
    world: World, knowing: Known, address: str, account: str = "web", assignee: str = ""
) -> dispatch.GetWaitResponse:
    """Open a conversation that is second in line; return what is told of it, to be added to."""
    assert knowing.open is not None
    assert knowing.line is not None
    it = Conversation(conversation_id=f"c-{address}", assignee_id=assignee)
    knowing.open[world.tenant, account, address] = it
    knowing.line[it.conversation_id] = told = dispatch.GetWaitResponse(position=2)
    return told


async def asked(chat: Chat) -> Answered:
    return await chat.world.raw("GET", path(chat.world, "wait"), headers=chat.headers)


async def test_a_visitor_is_told_their_place_and_their_wait(world: World, knowing: Known) -> None:
    chat = await opened(world)
    told = waits(world, knowing, chat.visitor_id)
    told.p50.FromTimedelta(timedelta(seconds=20.2))
    told.p90.FromTimedelta(timedelta(seconds=61))
    answer = await asked(chat)
    expected = {"waiting": True, "position": 2, "p50Seconds": 21, "p90Seconds": 61}
    assert (answer.status, answer.body) == (200, expected)
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]


async def test_what_nobody_can_say_is_not_made_up(world: World, knowing: Known) -> None:
    chat = await opened(world)
    waits(world, knowing, chat.visitor_id)
    unknown = {"waiting": True, "position": 2, "p50Seconds": None, "p90Seconds": None}
    assert (await asked(chat)).body == unknown


async def test_who_does_not_wait_is_told_so(world: World, knowing: Known) -> None:
    ana, ben = await opened(world), await opened(world)
    waits(world, knowing, ana.visitor_id, assignee="an-agent")
    for chat in (ana, ben):
        answer = await asked(chat)
        assert (answer.status, answer.body) == (200, {"waiting": False})


async def test_a_visitor_does_not_see_another_s_wait(world: World, knowing: Known) -> None:
    ana, ben = await opened(world), await opened(world)
    waits(world, knowing, ana.visitor_id)
    assert (await asked(ana)).body["waiting"]
    assert not (await asked(ben)).body["waiting"]


@pytest.mark.parametrize("silent", ["open", "line"])
async def test_when_nobody_answers_it_is_to_be_asked_again(
    world: World, knowing: Known, silent: str
) -> None:
    chat = await opened(world)
    waits(world, knowing, chat.visitor_id)
    setattr(knowing, silent, None)
    answer = await asked(chat)
    assert (answer.status, answer.reason) == (503, "DEPENDENCY_UNAVAILABLE")
    assert answer.headers["Retry-After"]


async def test_nobody_asks_without_a_token_or_from_a_foreign_page(world: World) -> None:
    answer = await world.raw("GET", path(world, "wait"), headers=PAGE)
    assert (answer.status, answer.reason) == (401, "VISITOR_TOKEN_REFUSED")
    foreign = {"Origin": "https://evil.example"}
    answer = await world.raw("GET", path(world, "wait"), headers=foreign)
    assert (answer.status, answer.reason) == (403, "ORIGIN_REFUSED")
    assert allowed(await world.raw("OPTIONS", path(world, "wait"), b"", PAGE))


async def test_who_asks_too_often_can_still_write(world: World) -> None:
    chat = await opened(world)
    answers = [await asked(chat) for _ in range(12)]
    assert (answers[-1].status, answers[-1].reason) == (429, "RATE_LIMITED")
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert (await chat.say("1")).status == 202


async def test_a_connector_asks_for_its_customer_with_its_signature(
    world: World, knowing: Known
) -> None:
    waits(world, knowing, "+1555", "shop")
    body = json.dumps({"senderAddress": "+1555"}).encode()
    answer = await world.post(body, what="wait")
    assert (answer.status, answer.body["position"]) == (200, 2)
    answer = await world.post(json.dumps({"senderAddress": "+1"}).encode(), what="wait")
    assert (answer.status, answer.body) == (200, {"waiting": False})
    answer = await world.post(body, secret="wrong", what="wait")
    assert (answer.status, answer.reason) == (401, "SIGNATURE_REFUSED")
    answer = await world.post(b"{}", what="wait")
    assert (answer.status, answer.reason) == (400, "SENDER_ADDRESS_MISSING")
