"""Customers: by the bus, as conversations tells of them, or by the whole path from the webhook."""

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Protocol

import aiohttp
from centralita.conversations.v1 import conversations_service_pb2 as conversations
from centralita.conversations.v1.conversations_service_pb2_grpc import ConversationsServiceStub
from centralita.conversations.v1.events_pb2 import ConversationClosed, ConversationOpened
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from nats.js.errors import APIError

from services.kernel.bus import Bus, BusUnavailable
from services.kernel.tail import tail
from services.kernel.wire import outgoing
from tests.e2e.people import sign

from .asking import Lines
from .records import Evidence, Key

ACCOUNT = "shop"


class Customers(Protocol):
    async def come(self, tenant: str, queue: str) -> None:
        """Want something: one conversation."""
        ...

    async def go(self, tenant: str, task_id: str) -> None:
        """End a conversation before an agent does."""
        ...

    def served(self, ended: set[Key]) -> bool:
        """Say whether everybody who was let in has been dealt with."""
        ...


class Announced:
    """Customers whose conversations are announced on the bus; there is no text."""

    def __init__(self, bus: Bus, evidence: Evidence) -> None:
        self._bus, self._evidence = bus, evidence
        self._begun: set[Key] = set()
        self._numbers = count(1)

    async def come(self, tenant: str, queue: str) -> None:
        task_id = f"task-{next(self._numbers)}"
        now = Timestamp()
        now.GetCurrentTime()
        it = self._evidence.operation("submit", tenant, task_id)
        opened = ConversationOpened(
            tenant_id=tenant, conversation_id=task_id, queue_id=queue, opened_at=now
        )
        await self._tell(opened)
        it.end("")
        self._begun.add((tenant, task_id))

    async def go(self, tenant: str, task_id: str) -> None:
        it = self._evidence.operation("close", tenant, task_id)
        await self._tell(ConversationClosed(tenant_id=tenant, conversation_id=task_id))
        it.end("")

    def served(self, ended: set[Key]) -> bool:
        return self._begun <= ended and _all_in(self._evidence)

    async def _tell(self, event: Message) -> None:
        message = outgoing(event, event_id=f"e-{next(self._numbers)}", at=datetime.now(UTC))
        while True:
            try:
                await self._bus.publish(message)
            except (BusUnavailable, APIError):
                await asyncio.sleep(0.1)
            else:
                return


class Writing:
    """Customers who write one message each, at the webhook, until it is taken."""

    def __init__(self, bus: Bus, lines: Lines, evidence: Evidence, dice: Random) -> None:
        self._bus, self._lines, self._evidence, self._dice = bus, lines, evidence, dice
        self._secrets: dict[str, str] = {}
        self._opened: set[Key] = set()
        self._numbers = count(1)
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=6))

    async def connect(self, tenant: str, queue: str) -> None:
        """Set up the channel by which a tenant is written to."""
        account = resources.ChannelAccount(
            channel_account_id=ACCOUNT,
            channel=resources.CHANNEL_CUSTOM,
            display_name="Shop",
            queue_id=queue,
        )
        put = directory.PutChannelAccountRequest(channel_account=account)
        await self._lines.get(DirectoryServiceStub, "PutChannelAccount", put, tenant)
        rotate = directory.RotateChannelAccountSecretRequest(channel_account_id=ACCOUNT)
        answer = await self._lines.get(
            DirectoryServiceStub, "RotateChannelAccountSecret", rotate, tenant
        )
        self._secrets[tenant] = answer.secret

    async def come(self, tenant: str, queue: str) -> None:
        name = f"customer-{next(self._numbers)}"
        body = {"providerMessageId": f"m-{name}", "senderAddress": name, "text": f"I am {name}"}
        raw = json.dumps(body).encode()
        it = self._evidence.operation("write", tenant, f"I am {name}")
        while not await self._post(tenant, raw):
            it.tries += 1
            await asyncio.sleep(0.2 + self._dice.random() * 0.3)
        it.end("")
        if self._dice.random() < 0.1:  # providers repeat what was taken long ago
            await self._post(tenant, raw)

    async def go(self, tenant: str, task_id: str) -> None:
        it = self._evidence.operation("close", tenant, task_id)
        request = conversations.CloseConversationRequest(
            conversation_id=task_id, request_id=it.request_id
        )
        await self._lines.ask(
            it, ConversationsServiceStub, "CloseConversation", request, role="owner"
        )

    def served(self, ended: set[Key]) -> bool:
        written = sum(it.kind == "write" for it in self._evidence.operations)
        return len(self._opened) >= written and self._opened <= ended and _all_in(self._evidence)

    async def listen(self) -> None:
        """Hear what became a conversation."""
        subjects = ["cc.*.conversations.v1.conversation.opened"]
        async with aclosing(tail(self._bus, "CONVERSATIONS", subjects=subjects)) as batches:
            async for batch in batches:
                for it in batch:
                    opened = ConversationOpened.FromString(it.data)
                    self._opened.add((opened.tenant_id, opened.conversation_id))

    async def read(self) -> None:
        """Write down what was said in each conversation."""
        for tenant, conversation_id in sorted(self._opened):
            request = conversations.ListMessagesRequest(conversation_id=conversation_id)
            answer = await self._lines.get(
                ConversationsServiceStub, "ListMessages", request, tenant
            )
            texts = [message.text for message in answer.messages]
            self._evidence.said[f"{tenant}/{conversation_id}"] = texts

    async def leave(self) -> None:
        await self._http.close()

    async def _post(self, tenant: str, raw: bytes) -> bool:
        url = f"http://{self._lines.http_of('ingestion')}/channels/{tenant}/{ACCOUNT}/messages"
        headers = {
            "content-type": "application/json",
            "centralita-signature": sign(self._secrets[tenant], raw),
        }
        try:
            async with self._http.post(url, data=raw, headers=headers) as answer:
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            return False


def _all_in(evidence: Evidence) -> bool:
    return all(it.completed_ms for it in evidence.operations if it.kind in {"submit", "write"})
