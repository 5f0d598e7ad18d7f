"""Contacts and conversations as they run, with real tokens; only the directory is a stand-in."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import pytest
from centralita.contacts.v1.contacts_service_pb2_grpc import ContactsServiceStub
from centralita.conversations.v1 import conversations_service_pb2 as pb
from centralita.conversations.v1.conversations_service_pb2_grpc import ConversationsServiceStub
from centralita.conversations.v1.resources_pb2 import Conversation, Message
from centralita.directory.v1 import session_service_pb2 as session
from centralita.directory.v1.events_pb2 import UserChanged
from centralita.directory.v1.resources_pb2 import CHANNEL_WEBCHAT
from centralita.directory.v1.session_service_pb2_grpc import (
    SessionServiceServicer,
    add_SessionServiceServicer_to_server,
)
from centralita.dispatch.v1.events_pb2 import TaskAssigned
from centralita.ingestion.v1.events_pb2 import MessageReceived
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as ProtoMessage
from grpc import StatusCode
from nats.js.errors import NotFoundError

from services.contacts.__main__ import service as contacts_service
from services.contacts.settings import Settings as ContactsSettings
from services.conversations.__main__ import service as conversations_service
from services.conversations.settings import Settings
from services.kernel.answers import reason_of
from services.kernel.bus import Bus
from services.kernel.channels import channel
from services.kernel.ids import new_id
from services.kernel.mongo import Database
from services.kernel.serve import Exposed, serving
from services.kernel.wire import outgoing, parsed
from tests.streams import drained, until
from tests.tokens import ISSUER, Issuer, bearer, key_server

if TYPE_CHECKING:  # the generated code has them for type checkers only
    from centralita.contacts.v1.contacts_service_pb2_grpc import ContactsServiceAsyncStub
    from centralita.conversations.v1.conversations_service_pb2_grpc import (
        ConversationsServiceAsyncStub,
    )

E = TypeVar("E", bound=ProtoMessage)

DURABLES = {
    "conversations-append-message": "INBOUND",
    "conversations-note-assignee": "DISPATCH",
    "conversations-clear-assignee": "DISPATCH",
    "conversations-close-completed": "DISPATCH",
    "conversations-close-cancelled": "DISPATCH",
    "conversations-merge-delivery": "INGESTION",
}


class StandInDirectory(SessionServiceServicer):
    """Gives tokens to services that know the secret."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    async def IssueServiceToken(  # noqa: N802 - the name is in the proto
        self, request: session.IssueServiceTokenRequest, context: Any
    ) -> session.IssueServiceTokenResponse:
        assert request.secret == "secret-of-conversations"
        token = self._issuer.service(request.service)
        return session.IssueServiceTokenResponse(
            access_token=token, expires_in=Duration(seconds=900)
        )


@dataclass
class Rig:
    bus: Bus
    db: Database
    tenant: str
    issuer: Issuer
    settings: Settings
    channel: grpc.aio.Channel
    conversations: "ConversationsServiceAsyncStub"
    contacts: "ContactsServiceAsyncStub"

    def user(self, user_id: str = "ana", role: str = "agent", tenant: str = "") -> Any:
        return bearer(self.issuer.user(tenant or self.tenant, user_id, role))

    @property
    def owner(self) -> Any:
        return self.user("olga", "owner")

    async def tell(self, *events: ProtoMessage) -> None:
        """Publish each as something new, so that only the handlers can notice a repeat."""
        for event in events:
            await self.bus.publish(outgoing(event, event_id=new_id(), at=datetime.now(UTC)))

    def received(
        self, provider_id: str, text: str = "hola", sender: str = "visitor-1", sent_ms: int = 0
    ) -> MessageReceived:
        event = MessageReceived(
            tenant_id=self.tenant,
            channel_account_id="shop",
            channel=CHANNEL_WEBCHAT,
            queue_id="sales",
        )
        event.message.provider_message_id = provider_id
        event.message.sender_address = sender
        event.message.sender_name = "Vera"
        event.message.text = text
        if sent_ms:
            event.message.sent_at.FromMilliseconds(sent_ms)
        return event

    async def settled(self) -> None:
        for durable, stream in DURABLES.items():
            await drained(self.bus, stream, durable, within=15)

        async def told() -> bool:
            return not await self.db["conversations"].count_documents({"outbox.0": {"$exists": 1}})

        await until(told)

    async def stored(self) -> None:
        """Wait until every message is a document of its own."""
        await self.settled()

        async def nothing_staged() -> bool:
            return not await self.db["conversations"].count_documents({"staged": {"$ne": []}})

        await until(nothing_staged)

    async def documents(self) -> list[dict[str, Any]]:
        wanted = {"tenant_id": self.tenant}
        return await self.db["conversations"].find(wanted).sort("ordinal", 1).to_list(100)

    async def opened(self, *provider_ids: str) -> str:
        """Return the id of the conversation that these messages open."""
        await self.tell(*(self.received(each) for each in provider_ids or ("p-1",)))
        await self.settled()
        (document,) = await self.documents()
        return str(document["_id"])

    async def assigned(
        self, conversation_id: str, agent_id: str = "ana", revision: int = 2
    ) -> None:
        await self.tell(self.assignment(conversation_id, agent_id, revision))
        await self.settled()

    def assignment(
        self, conversation_id: str, agent_id: str = "ana", revision: int = 2
    ) -> TaskAssigned:
        return TaskAssigned(
            tenant_id=self.tenant,
            task_id=conversation_id,
            revision=revision,
            queue_id="sales",
            agent_id=agent_id,
        )

    def member(self, user_id: str, *queue_ids: str, version: int = 1) -> UserChanged:
        return UserChanged(
            tenant_id=self.tenant, user_id=user_id, version=version, queue_ids=queue_ids
        )

    async def conversation(self, conversation_id: str, user: Any = None) -> Conversation:
        request = pb.GetConversationRequest(conversation_id=conversation_id)
        answer = await self.conversations.GetConversation(request, metadata=user or self.owner)
        return answer.conversation

    async def thread(self, conversation_id: str, user: Any = None) -> Sequence[Message]:
        request = pb.ListMessagesRequest(conversation_id=conversation_id, page_size=200)
        answer = await self.conversations.ListMessages(request, metadata=user or self.owner)
        return answer.messages

    async def reply(
        self, conversation_id: str, request_id: str = "r-1", text: str = "buenas", user: Any = None
    ) -> Message:
        request = pb.ReplyRequest(conversation_id=conversation_id, request_id=request_id, text=text)
        answer = await self.conversations.Reply(request, metadata=user or self.user())
        return answer.message

    async def close(
        self, conversation_id: str, request_id: str = "c-1", user: Any = None
    ) -> Conversation:
        return (await self.close_at(0, conversation_id, request_id, user)).conversation

    async def close_at(
        self, seen: int, conversation_id: str, request_id: str = "c-1", user: Any = None
    ) -> pb.CloseConversationResponse:
        """Close having seen the message of this arrival last; 0 says nothing of it."""
        request = pb.CloseConversationRequest(
            conversation_id=conversation_id, request_id=request_id, last_seen_arrival=seen
        )
        return await self.conversations.CloseConversation(request, metadata=user or self.user())

    async def events(self, stream: str, kind: type[E]) -> list[E]:
        """Return all of this tenant that the stream holds, in order."""
        state = (await self.bus.js.stream_info(stream)).state
        found = []
        for sequence in range(state.first_seq, state.last_seq + 1):
            try:
                message = await self.bus.js.get_msg(stream, sequence)
            except NotFoundError:
                continue
            headers = message.headers or {}
            if headers.get("ce-type") == kind.DESCRIPTOR.full_name:
                event = parsed(kind, message.data or b"", headers)
                if event.tenant_id == self.tenant:  # type: ignore[attr-defined]  # every event has one
                    found.append(event)
        return found

    @asynccontextmanager
    async def another_replica(self) -> AsyncIterator["ConversationsServiceAsyncStub"]:
        async with (
            conversations_service(self.settings) as running,
            channel(running.grpc_address) as to_it,
        ):
            yield ConversationsServiceStub(to_it)


@asynccontextmanager
async def rig(
    nats_url: str, mongo_url: str, bus: Bus, db: Database, tenant: str
) -> AsyncIterator[Rig]:
    issuer = Issuer()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        keys = await enter(key_server(issuer.jwks))
        stand_in = Exposed(add_SessionServiceServicer_to_server, StandInDirectory(issuer))  # type: ignore[abstract]  # the rest answers UNIMPLEMENTED
        directory = await enter(serving("127.0.0.1:0", [stand_in], guard=issuer.guard(), codes={}))
        common: dict[str, Any] = {
            "nats_url": nats_url,
            "mongo_url": mongo_url,
            "mongo_database": db.name,
            "grpc_address": "127.0.0.1:0",
            "jwks_url": keys.url,
            "issuer": ISSUER,
        }
        contacts = await enter(contacts_service(ContactsSettings(**common)))
        settings = Settings(
            **common,
            directory_address=directory,
            contacts_address=contacts.grpc_address,
            service_secret="secret-of-conversations",
        )
        running = await enter(conversations_service(settings))
        to_contacts = await enter(channel(contacts.grpc_address))
        to_conversations = await enter(channel(running.grpc_address))
        yield Rig(
            bus,
            db,
            tenant,
            issuer,
            settings,
            to_conversations,
            ConversationsServiceStub(to_conversations),
            ContactsServiceStub(to_contacts),
        )


def shuffled(events: Sequence[E], seed: int = 7) -> list[E]:
    return random.Random(seed).sample(list(events), len(events))


@asynccontextmanager
async def refused(code: StatusCode, reason: str) -> AsyncIterator[None]:
    """Expect exactly this answer."""
    with pytest.raises(grpc.aio.AioRpcError) as no:
        yield
    assert (no.value.code(), reason_of(no.value)) == (code, reason)
