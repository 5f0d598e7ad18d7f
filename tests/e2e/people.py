"""The people of an end-to-end test: an owner who configures, agents at work, a customer outside.

All of them come through the edge, as a front-end or a connector would.
"""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Self, TypeVar

import aiohttp
import grpc
from aiohttp import web
from centralita.conversations.v1 import conversations_service_pb2 as conversations
from centralita.conversations.v1.conversations_service_pb2_grpc import ConversationsServiceStub
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources
from centralita.directory.v1 import session_service_pb2 as session
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from centralita.directory.v1.session_service_pb2_grpc import SessionServiceStub
from centralita.dispatch.v1 import dispatch_service_pb2 as dispatch
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from centralita.options.v1.options_pb2 import ROLE_AGENT, Role
from centralita.presence.v1 import presence_service_pb2 as presence
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceStub
from centralita.workspace.v1 import workspace_service_pb2 as workspace
from centralita.workspace.v1.resources_pb2 import CARD_STATE_OFFERED, Card
from centralita.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub
from google.protobuf.duration_pb2 import Duration

from services.kernel.answers import reason_of

TENANT = "demo"
PASSWORD = "centralita-demo"
PATIENCE_S = 15.0


T = TypeVar("T")


async def until(found: Callable[[], T | None], within: float = PATIENCE_S) -> T:
    """Poll until something is found; AssertionError when it never is."""
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        it = found()
        if it is not None:
            return it
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


def some(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


async def refusal(call: grpc.aio.UnaryUnaryCall[Any, Any]) -> tuple[grpc.StatusCode, str]:
    """Return the code and the reason of a call that must be refused."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code(), reason_of(error)
    raise AssertionError("it was not refused")


@dataclass
class Edge:
    """The one door."""

    address: str
    channel: grpc.aio.Channel

    @property
    def url(self) -> str:
        return f"http://{self.address}"


class User:
    """Somebody signed in, with a stub of each service."""

    def __init__(self, edge: Edge, user_id: str, token: str) -> None:
        self.edge = edge
        self.id = user_id
        self.metadata = (("authorization", f"Bearer {token}"),)
        self.directory = DirectoryServiceStub(edge.channel)
        self.dispatch = DispatchServiceStub(edge.channel)
        self.presence = PresenceServiceStub(edge.channel)
        self.conversations = ConversationsServiceStub(edge.channel)
        self.workspace = WorkspaceServiceStub(edge.channel)

    @classmethod
    async def sign_in(cls, edge: Edge, email: str, password: str = PASSWORD) -> Self:
        answer = await SessionServiceStub(edge.channel).SignIn(
            session.SignInRequest(tenant_id=TENANT, email=email, password=password)
        )
        return cls(edge, answer.user_id, answer.tokens.access_token)


class Agent(User):
    """A user at work: a device that keeps its lease, and what can be done with a task."""

    view: dict[str, Card]
    frames: list[workspace.WatchResponse]
    on_frame: Callable[["Agent", workspace.WatchResponse], None] | None = None

    @asynccontextmanager
    async def at_work(self, *, receive_new: bool = True) -> AsyncIterator[Self]:
        device = some("device")
        self.view, self.frames = {}, []
        await self._heartbeat(device)
        if receive_new:
            await self.receive_new(True)
        tasks = [
            asyncio.create_task(self._keep_lease(device)),
            asyncio.create_task(self._watch()),
        ]
        try:
            await until(lambda: self.frames or None)
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.presence.Disconnect(
                presence.DisconnectRequest(device_id=device), metadata=self.metadata
            )

    async def receive_new(self, on: bool) -> None:  # noqa: FBT001 - the switch itself
        await self.presence.SetReceiveNew(
            presence.SetReceiveNewRequest(receive_new=on), metadata=self.metadata
        )

    async def shows(self, status: int) -> presence.Presence:
        """Wait until the badge shows this."""
        request = presence.GetPresenceRequest(user_id=self.id)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self.presence.GetPresence(request, metadata=self.metadata)
                if answer.presence.status == status:
                    return answer.presence
                await asyncio.sleep(0.02)

    async def offer(self, within: float = PATIENCE_S) -> Card:
        """Wait until something rings here."""
        return await until(lambda: self._card(CARD_STATE_OFFERED), within)

    async def card(self, state: int, conversation_id: str = "") -> Card:
        """Wait until a card, any or this one, is in a state."""
        return await until(lambda: self._card(state, conversation_id))

    def accept(self, task_id: str, request_id: str = "") -> Any:
        return self.dispatch.AcceptOffer(
            dispatch.AcceptOfferRequest(task_id=task_id, request_id=request_id or some("r")),
            metadata=self.metadata,
        )

    def decline(self, task_id: str) -> Any:
        return self.dispatch.DeclineOffer(
            dispatch.DeclineOfferRequest(task_id=task_id, request_id=some("r")),
            metadata=self.metadata,
        )

    def assign(self, task_id: str, assignee_id: str) -> Any:
        request = dispatch.AssignTaskRequest(
            task_id=task_id, assignee_id=assignee_id, request_id=some("r")
        )
        return self.dispatch.AssignTask(request, metadata=self.metadata)

    def reply(self, conversation_id: str, text: str, request_id: str = "") -> Any:
        request = conversations.ReplyRequest(
            conversation_id=conversation_id, request_id=request_id or some("r"), text=text
        )
        return self.conversations.Reply(request, metadata=self.metadata)

    def close(self, conversation_id: str, *, seen: int = 0) -> Any:
        """Close it, perhaps having seen no more than the first so many messages."""
        request = conversations.CloseConversationRequest(
            conversation_id=conversation_id, request_id=some("r"), last_seen_arrival=seen
        )
        return self.conversations.CloseConversation(request, metadata=self.metadata)

    async def messages(self, conversation_id: str) -> Sequence[Any]:
        request = conversations.ListMessagesRequest(conversation_id=conversation_id, page_size=200)
        answer = await self.conversations.ListMessages(request, metadata=self.metadata)
        return answer.messages

    def _card(self, state: int, conversation_id: str = "") -> Card | None:
        for card in self.view.values():
            if card.standing.state != state:
                continue
            rung = {card.standing.agent_id, *card.standing.also_ringing_agent_ids}
            if state == CARD_STATE_OFFERED and self.id not in rung:
                continue
            if conversation_id in {"", card.conversation_id}:
                return card
        return None

    async def _keep_lease(self, device: str) -> None:
        while True:
            await asyncio.sleep(3)
            await self._heartbeat(device)

    async def _heartbeat(self, device: str) -> None:
        await self.presence.Heartbeat(
            presence.HeartbeatRequest(device_id=device), metadata=self.metadata
        )

    async def _watch(self) -> None:
        async for frame in self.workspace.Watch(workspace.WatchRequest(), metadata=self.metadata):
            if self.on_frame is not None:
                self.on_frame(self, frame)
            apply(frame, self.view)
            self.frames.append(frame)


def apply(frame: workspace.WatchResponse, view: dict[str, Card]) -> None:
    """Do to a view what a frame says, as a front-end does."""
    match frame.WhichOneof("frame"):
        case "snapshot":
            view.clear()
            view.update({card.conversation_id: card for card in frame.snapshot.cards})
        case "card":
            view[frame.card.conversation_id] = frame.card
        case "removed_conversation_id":
            view.pop(frame.removed_conversation_id, None)


@dataclass
class Customer:
    """Somebody outside on a custom channel, with the connector that carries their messages."""

    edge: Edge
    http: aiohttp.ClientSession
    account: str
    secret: str
    address: str = field(default_factory=lambda: some("customer"))
    replies: list[dict[str, Any]] = field(default_factory=list)

    async def write(
        self, text: str, message_id: str = "", *, address: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Post a message to the webhook, signed."""
        body = {
            "providerMessageId": message_id or some("m"),
            "senderAddress": address or self.address,
            "text": text,
        }
        return await self.post(json.dumps(body).encode())

    async def post(self, raw: bytes, signature: str = "") -> tuple[int, dict[str, Any]]:
        url = f"{self.edge.url}/channels/{TENANT}/{self.account}/messages"
        headers = {
            "content-type": "application/json",
            "centralita-signature": signature or sign(self.secret, raw),
        }
        async with self.http.post(url, data=BytesIO(raw), headers=headers) as answer:
            return answer.status, await answer.json()

    async def reply(self, text: str) -> dict[str, Any]:
        """Wait for a reply with this text."""
        return await until(lambda: next((one for one in self.replies if one["text"] == text), None))

    async def received(self, request: web.Request) -> web.Response:
        raw = await request.read()
        timestamp, *signed = request.headers["Centralita-Signature"].split(",")
        # One for each secret that is good.
        ours = sign(self.secret, raw, int(timestamp.removeprefix("t=")))
        assert ours.split(",")[1] in signed
        self.replies.append(json.loads(raw))
        return web.json_response({})


def sign(secret: str, raw: bytes, at: int | None = None) -> str:
    at = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


@dataclass
class Desk:
    """A queue of its own, with people who answer it and a channel that leads to it."""

    owner: User
    queue_id: str
    customer: Customer
    agents: list[Agent]


@asynccontextmanager
async def desk(
    edge: Edge,
    *,
    agents: int = 1,
    capacity: int = 3,
    offer_timeout_s: int = 20,
    role: Role.ValueType = ROLE_AGENT,
) -> AsyncIterator[Desk]:
    """Configure a desk through the API, as an administrator would."""
    owner = await User.sign_in(edge, "olga@demo.example")
    queue_id, account = some("queue"), some("account")
    async with aiohttp.ClientSession() as http:
        customer = Customer(edge, http, account, "")
        async with _receiver(customer) as callback_url:
            queue = resources.Queue(
                queue_id=queue_id,
                display_name="Queue",
                offer_timeout=Duration(seconds=offer_timeout_s),
            )
            await owner.directory.PutQueue(
                directory.PutQueueRequest(queue=queue), metadata=owner.metadata
            )
            channel_account = resources.ChannelAccount(
                channel_account_id=account,
                channel=resources.CHANNEL_CUSTOM,
                display_name="Account",
                queue_id=queue_id,
                callback_url=callback_url,
            )
            await owner.directory.PutChannelAccount(
                directory.PutChannelAccountRequest(channel_account=channel_account),
                metadata=owner.metadata,
            )
            rotated = await owner.directory.RotateChannelAccountSecret(
                directory.RotateChannelAccountSecretRequest(channel_account_id=account),
                metadata=owner.metadata,
            )
            customer.secret = rotated.secret
            people = [await _hire(owner, queue_id, capacity, role) for _ in range(agents)]
            yield Desk(owner, queue_id, customer, people)


async def _hire(owner: User, queue_id: str, capacity: int, role: Role.ValueType) -> Agent:
    user_id = some("user")
    user = resources.User(
        user_id=user_id,
        email=f"{user_id}@demo.example",
        display_name="Somebody",
        role=role,
        queue_ids=[queue_id],
        chat_capacity=capacity,
    )
    await owner.directory.PutUser(
        directory.PutUserRequest(user=user, password=PASSWORD), metadata=owner.metadata
    )
    return await Agent.sign_in(owner.edge, user.email)


@asynccontextmanager
async def _receiver(customer: Customer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/replies", customer.received)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/replies"
    finally:
        await runner.cleanup()
