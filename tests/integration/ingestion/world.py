"""What stands around ingestion in a test: a directory, a provider, and a look into the streams."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import grpc
from aiohttp import web
from centralita.conversations.v1.events_pb2 import ReplyRequested
from centralita.directory.v1 import resources_pb2 as directory
from centralita.directory.v1.directory_service_pb2 import (
    ResolveChannelAccountRequest,
    ResolveChannelAccountResponse,
)
from centralita.directory.v1.directory_service_pb2_grpc import (
    DirectoryServiceServicer,
    add_DirectoryServiceServicer_to_server,
)
from centralita.directory.v1.events_pb2 import ChannelAccountChanged
from centralita.directory.v1.session_service_pb2 import (
    IssueServiceTokenRequest,
    IssueServiceTokenResponse,
)
from centralita.directory.v1.session_service_pb2_grpc import (
    SessionServiceServicer,
    add_SessionServiceServicer_to_server,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from nats.js.errors import NotFoundError

from services.ingestion.domain.signature import HEADER, sign
from services.kernel.bus import Bus
from services.kernel.ids import new_id
from services.kernel.run import Running
from services.kernel.wire import outgoing, subject_of

E = TypeVar("E", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]
SECRET, WEB_SECRET = "whsec_shop", "whsec_web"


class FakeDirectory(DirectoryServiceServicer, SessionServiceServicer):
    """Knows accounts; can be out."""

    def __init__(self) -> None:
        self.address = ""
        self.accounts: dict[tuple[str, str], ResolveChannelAccountResponse] = {}
        self.out = False
        self.asked = 0

    def put(self, tenant: str, secret: str, **account: Any) -> None:
        resolved = ResolveChannelAccountResponse(
            channel_account=directory.ChannelAccount(queue_id="sales", **account),
            secrets=[secret],
        )
        self.accounts[tenant, account["channel_account_id"]] = resolved

    async def ResolveChannelAccount(  # noqa: N802 (named by the proto)
        self, request: ResolveChannelAccountRequest, context: Context
    ) -> ResolveChannelAccountResponse:
        self.asked += 1
        if self.out:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "out")
        found = self.accounts.get((request.tenant_id, request.channel_account_id))
        if request.tenant_id != request.tenant_id.lower():
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no tenant can be called so")
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "none")
        assert found is not None
        return found

    async def IssueServiceToken(  # noqa: N802 (named by the proto)
        self, request: IssueServiceTokenRequest, context: Context
    ) -> IssueServiceTokenResponse:
        return IssueServiceTokenResponse(access_token="t", expires_in=Duration(seconds=900))


@asynccontextmanager
async def fake_directory() -> AsyncIterator[FakeDirectory]:
    it = FakeDirectory()  # type: ignore[abstract] # only in the stubs
    server = grpc.aio.server()
    add_DirectoryServiceServicer_to_server(it, server)
    add_SessionServiceServicer_to_server(it, server)
    it.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield it
    finally:
        await server.stop(0)


@dataclass(frozen=True)
class Arrived:
    """A call-back as the provider got it."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return str(json.loads(self.body)["messageId"])


@dataclass
class Provider:
    """Takes call-backs. `answers` are used up first: a response, or seconds to hang."""

    url: str = ""
    answers: list[web.Response | float] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    #: Ends every request that hangs.
    over: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    it = Provider()

    async def take(request: web.Request) -> web.Response:
        it.arrived.append(Arrived(request.path, dict(request.headers), await request.read()))
        answer = it.answers.pop(0) if it.answers and request.path == "/replies" else None
        if isinstance(answer, float) or request.path == "/hangs":
            await asyncio.wait({asyncio.create_task(it.over.wait())}, timeout=answer)  # type: ignore[arg-type] # never a response
            return web.Response(status=504)
        return answer or web.Response(status=204)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield it
    finally:
        it.over.set()
        await runner.cleanup()


@dataclass
class World:
    """A running ingestion with one custom account, "shop", and one widget, "web"."""

    tenant: str
    running: Running
    http: aiohttp.ClientSession
    directory: FakeDirectory
    provider: Provider
    bus: Bus

    async def post(
        self, body: bytes, *, account: str = "shop", secret: str = SECRET, what: str = "messages"
    ) -> "Answered":
        signature = {HEADER: sign(secret, body, datetime.now(UTC))}
        return await self.raw("POST", f"/channels/{self.tenant}/{account}/{what}", body, signature)

    async def raw(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> "Answered":
        async with self.http.request(
            method, path, data=io.BytesIO(body), headers=headers
        ) as answer:
            text = await answer.read()
            return Answered(answer.status, json.loads(text) if text else {}, dict(answer.headers))

    async def reply(self, text: str = "hello", **changes: Any) -> str:
        """Publish a ReplyRequested as conversations does; return its message id."""
        at = Timestamp()
        at.GetCurrentTime()
        given: dict[str, Any] = {
            "conversation_id": "c-1",
            "message_id": new_id(),
            "channel": directory.CHANNEL_CUSTOM,
            "channel_account_id": "shop",
            "recipient_address": "+15550100001",
            "sent_at": at,
            **changes,
        }
        event = ReplyRequested(tenant_id=self.tenant, text=text, **given)
        await self.bus.publish(outgoing(event, event_id=event.message_id, at=datetime.now(UTC)))
        return event.message_id

    async def change(self, account: str) -> None:
        """Announce that the directory has another state of the account now."""
        event = ChannelAccountChanged(tenant_id=self.tenant, channel_account_id=account)
        await self.bus.publish(outgoing(event, event_id=new_id(), at=datetime.now(UTC)))

    async def stored(self, stream: str, kind: type[E]) -> list[E]:
        """All events of a kind that the stream holds of this tenant."""
        return await stored(self.bus, stream, kind, self.tenant)


@dataclass(frozen=True)
class Answered:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def reason(self) -> str:
        return str(self.body["reason"])


async def stored(bus: Bus, stream: str, kind: type[E], tenant: str) -> list[E]:
    subject = subject_of(kind(tenant_id=tenant))
    found: list[E] = []
    after = 0
    while True:
        try:
            one = await bus.js.get_msg(stream, after + 1, subject, next=True)
        except NotFoundError:
            return found
        assert one.seq is not None
        after = one.seq
        found.append(kind.FromString(one.data or b""))
