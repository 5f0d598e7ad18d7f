"""The service as it runs, the events of the others, and clients who keep a view."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
from centralita.conversations.v1.events_pb2 import (
    ConversationClosed,
    ConversationOpened,
    MessageAppended,
)
from centralita.directory.v1.events_pb2 import UserChanged
from centralita.dispatch.v1.events_pb2 import TaskAssigned, TaskCompleted, TaskOffered, TaskQueued
from centralita.options.v1.options_pb2 import Role
from centralita.workspace.v1.resources_pb2 import Card
from centralita.workspace.v1.workspace_service_pb2 import WatchRequest, WatchResponse
from centralita.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.bus import Bus
from services.kernel.ids import new_id
from services.kernel.wire import outgoing
from services.workspace.__main__ import service
from services.workspace.settings import Settings
from tests.streams import drained, until
from tests.tokens import ISSUER, Issuer, bearer, key_server

if TYPE_CHECKING:
    from centralita.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceAsyncStub

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass
class Installation:
    """Where the servers are; `replica()` runs one process's worth of the service."""

    settings: Settings
    issuer: Issuer

    @asynccontextmanager
    async def replica(self, **changed: object) -> AsyncIterator["Replica"]:
        settings = replace(self.settings, **changed)  # type: ignore[arg-type] # by name, in tests
        async with AsyncExitStack() as afterwards, service(settings) as running:
            channel = grpc.aio.insecure_channel(running.grpc_address)
            await afterwards.enter_async_context(channel)  # clients outlive the server
            yield Replica(WorkspaceServiceStub(channel), self.issuer)


@asynccontextmanager
async def installation(nats_url: str) -> AsyncIterator[Installation]:
    issuer = Issuer()
    async with key_server(issuer.jwks) as keys:
        settings = Settings(
            nats_url,
            grpc_address="127.0.0.1:0",
            jwks_url=keys.url,
            issuer=ISSUER,
        )
        yield Installation(settings, issuer)


@dataclass
class Replica:
    stub: "WorkspaceServiceAsyncStub"
    issuer: Issuer

    def token(
        self, tenant_id: str, user_id: str, role: str = "agent", **claims: object
    ) -> tuple[tuple[str, str], ...]:
        return bearer(self.issuer.user(tenant_id, user_id, role, **claims))


@dataclass
class Client:
    """Keeps a view as the contract says, and the frames it saw."""

    token: tuple[tuple[str, str], ...]
    position: int = 0
    cards: dict[str, Card] = field(default_factory=dict)
    frames: list[WatchResponse] = field(default_factory=list)
    _building: bool = False

    @asynccontextmanager
    async def watching(self, replica: Replica) -> AsyncIterator[None]:
        """Watch from the position held; at the end drop the connection without a word."""
        request = WatchRequest(position=self.position)
        call = replica.stub.Watch(request, metadata=self.token)
        reading = asyncio.create_task(self._read(call))
        try:
            yield
        finally:
            call.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _read(self, call: AsyncIterable[WatchResponse]) -> None:
        async for frame in call:
            self.take(frame)

    def take(self, frame: WatchResponse) -> None:
        kind = frame.WhichOneof("frame")
        if kind != "snapshot":
            assert frame.previous_position == self.position
            assert frame.position > self.position or kind == "alive"
        self.frames.append(frame)
        match kind:
            case "snapshot":
                if not self._building:
                    self.cards.clear()
                self._building = frame.snapshot.more
                self.cards |= {card.conversation_id: card for card in frame.snapshot.cards}
            case "card":
                self.cards[frame.card.conversation_id] = frame.card
            case "removed_conversation_id":
                del self.cards[frame.removed_conversation_id]
        self.position = frame.position

    def kinds(self) -> list[str]:
        return [frame.WhichOneof("frame") or "" for frame in self.frames]

    async def sees(self, *conversation_ids: str) -> None:
        await until(lambda: set(self.cards) == set(conversation_ids))


@dataclass
class Others:
    """What directory, conversations and dispatch would say."""

    bus: Bus
    tenant_id: str
    revisions: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    async def say(self, event: Message) -> None:
        await self.bus.publish(outgoing(event, event_id=new_id(), at=NINE))

    async def user(
        self, user_id: str, *queue_ids: str, role: Role.ValueType = Role.ROLE_AGENT
    ) -> None:
        self.versions[user_id] = self.versions.get(user_id, 0) + 1
        await self.say(
            UserChanged(
                tenant_id=self.tenant_id,
                user_id=user_id,
                version=self.versions[user_id],
                role=role,
                queue_ids=sorted(queue_ids),
            )
        )

    async def opened(self, name: str, queue_id: str = "sales", *, minute: int = 0) -> None:
        await self.say(
            ConversationOpened(
                tenant_id=self.tenant_id,
                conversation_id=name,
                contact_id="c-1",
                channel_account_id="web",
                queue_id=queue_id,
                opened_at=_stamp(NINE + timedelta(minutes=minute)),
            )
        )

    async def appended(self, name: str, arrival: int) -> None:
        await self.say(
            MessageAppended(
                tenant_id=self.tenant_id,
                conversation_id=name,
                message_id=f"m-{arrival}",
                arrival=arrival,
                sent_at=_stamp(NINE + timedelta(seconds=arrival)),
            )
        )

    async def closed(self, name: str) -> None:
        await self.say(ConversationClosed(tenant_id=self.tenant_id, conversation_id=name))

    async def queued(self, name: str, queue_id: str = "sales") -> None:
        await self.say(
            TaskQueued(
                tenant_id=self.tenant_id,
                task_id=name,
                revision=self._next(name),
                queue_id=queue_id,
                enqueued_at=_stamp(NINE),
            )
        )

    async def offered(self, name: str, agent_id: str, queue_id: str = "sales") -> None:
        await self.say(
            TaskOffered(
                tenant_id=self.tenant_id,
                task_id=name,
                revision=self._next(name),
                queue_id=queue_id,
                agent_id=agent_id,
                expires_at=_stamp(NINE + timedelta(seconds=20)),
            )
        )

    async def assigned(self, name: str, agent_id: str, queue_id: str = "sales") -> None:
        await self.say(
            TaskAssigned(
                tenant_id=self.tenant_id,
                task_id=name,
                revision=self._next(name),
                queue_id=queue_id,
                agent_id=agent_id,
            )
        )

    async def completed(self, name: str, agent_id: str, queue_id: str = "sales") -> None:
        await self.say(
            TaskCompleted(
                tenant_id=self.tenant_id,
                task_id=name,
                revision=self._next(name),
                queue_id=queue_id,
                agent_id=agent_id,
            )
        )

    def _next(self, name: str) -> int:
        self.revisions[name] = self.revisions.get(name, 0) + 1
        return self.revisions[name]


async def folded(bus: Bus, *, within: float = 5.0) -> None:
    """Wait until the workspace has folded everything."""
    for stream in ("DIRECTORY", "CONVERSATIONS", "DISPATCH"):
        for consumer in await bus.js.consumers_info(stream):
            await drained(bus, stream, consumer.name, within=within)


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
