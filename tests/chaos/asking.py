"""Calls of clients who repeat what was not answered, at whichever replica."""

import asyncio
from random import Random
from typing import Any

import grpc
from centralita.conversations.v1.conversations_service_pb2_grpc import ConversationsServiceStub
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceStub

from services.kernel.answers import reason_of
from tests.tokens import bearer

from .installation import Installation
from .records import Operation

ANSWER_S = 2.5
GIVE_UP_S = 45.0
_UNKNOWN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INTERNAL,
}
"""Codes after which a careful client asks again."""
_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class Lines:
    """Channels to the replicas of each service."""

    def __init__(self, installation: Installation, dice: Random) -> None:
        self._installation, self._dice = installation, dice
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def ask(
        self, operation: Operation, stub: Any, method: str, request: Any, *, role: str = "agent"
    ) -> str:
        """Repeat a call until it is answered; record and return the reason, empty for done."""
        user = operation.agent_id or "olga"
        metadata = bearer(self._installation.token(operation.tenant_id, user, role))
        loop = asyncio.get_running_loop()
        give_up = loop.time() + GIVE_UP_S
        while loop.time() < give_up:
            operation.tries += 1
            channel = self._any(_SERVICES[stub])
            try:
                await getattr(stub(channel), method)(request, metadata=metadata, timeout=ANSWER_S)
            except grpc.aio.AioRpcError as error:
                if error.code() in _UNKNOWN:
                    await asyncio.sleep(0.1 + self._dice.random() * 0.3)
                    continue
                operation.end(reason_of(error) or error.code().name)
            else:
                operation.end("")
            return operation.outcome
        return operation.outcome

    async def once(self, stub: Any, method: str, request: Any, tenant_id: str, user: str) -> bool:
        """Call once; say whether it was answered well."""
        metadata = bearer(self._installation.token(tenant_id, user))
        channel = self._any(_SERVICES[stub])
        try:
            await getattr(stub(channel), method)(request, metadata=metadata, timeout=1.0)
        except grpc.aio.AioRpcError:
            return False
        return True

    async def get(self, stub: Any, method: str, request: Any, tenant_id: str) -> Any:
        """Return what the owner of a tenant is answered, however long it takes."""
        metadata = bearer(self._installation.token(tenant_id, "olga", "owner"))
        while True:
            call = getattr(stub(self._any(_SERVICES[stub])), method)
            try:
                return await call(request, metadata=metadata, timeout=ANSWER_S)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _UNKNOWN:
                    raise
                await asyncio.sleep(0.2)

    def http_of(self, name: str) -> str:
        """Return where one replica of a service takes HTTP."""
        return self._dice.choice(self._installation.named(name)).http

    def _any(self, name: str) -> grpc.aio.Channel:
        address = self._dice.choice(self._installation.named(name)).grpc
        if address not in self._channels:
            self._channels[address] = grpc.aio.insecure_channel(address, options=_OPTIONS)
        return self._channels[address]

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


_SERVICES: dict[Any, str] = {
    ConversationsServiceStub: "conversations",
    DirectoryServiceStub: "directory",
    DispatchServiceStub: "dispatch",
    PresenceServiceStub: "presence",
}
