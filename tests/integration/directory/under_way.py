"""What is under way at the services that the directory asks before it removes something."""

# ruff: noqa: N802 - gRPC names its methods so

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import jwt
from centralita.conversations.v1 import conversations_service_pb2 as conversations
from centralita.conversations.v1.conversations_service_pb2_grpc import (
    ConversationsServiceServicer,
    add_ConversationsServiceServicer_to_server,
)
from centralita.dispatch.v1 import removal_service_pb2 as removal
from centralita.dispatch.v1.removal_service_pb2_grpc import (
    RemovalServiceServicer,
    add_RemovalServiceServicer_to_server,
)


@dataclass
class UnderWay:
    """So much work waits, of which a step moves one task; so many conversations are open."""

    address: str = ""
    waiting: int = 0
    open: int = 0
    silent: bool = False
    asked: list[Any] = field(default_factory=list)
    callers: set[str] = field(default_factory=set)

    async def hear(self, request: Any, context: Any) -> None:
        if self.silent:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        self.asked.append(request)
        token = dict(context.invocation_metadata())["authorization"].removeprefix("Bearer ")
        self.callers.add(jwt.decode(token, options={"verify_signature": False})["service"])


class _Removals(RemovalServiceServicer):
    def __init__(self, it: UnderWay) -> None:
        self._it = it

    async def CountWork(self, request: Any, context: Any) -> removal.CountWorkResponse:
        await self._it.hear(request, context)
        return removal.CountWorkResponse(work=removal.WorkCount(waiting=self._it.waiting))

    async def Vacate(self, request: Any, context: Any) -> removal.VacateResponse:
        await self._it.hear(request, context)
        self._it.waiting = max(self._it.waiting - 1, 0)
        return removal.VacateResponse(left=removal.WorkCount(waiting=self._it.waiting))


class _Conversations(ConversationsServiceServicer):
    def __init__(self, it: UnderWay) -> None:
        self._it = it

    async def CountOpenConversations(
        self, request: Any, context: Any
    ) -> conversations.CountOpenConversationsResponse:
        await self._it.hear(request, context)
        return conversations.CountOpenConversationsResponse(open=self._it.open)


@asynccontextmanager
async def serving_under_way() -> AsyncIterator[UnderWay]:
    it, server = UnderWay(), grpc.aio.server()
    add_RemovalServiceServicer_to_server(_Removals(it), server)
    add_ConversationsServiceServicer_to_server(_Conversations(it), server)  # type: ignore[abstract]
    it.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield it
    finally:
        await server.stop(0)
