"""The service as it runs, one or two of it, and agents who call it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
from centralita.presence.v1.presence_service_pb2 import (
    DisconnectRequest,
    GetPresenceRequest,
    HeartbeatRequest,
    Presence,
    SetReceiveNewRequest,
)
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceStub

from services.presence.__main__ import service
from services.presence.settings import Settings
from tests.tokens import ISSUER, Issuer, bearer, key_server

if TYPE_CHECKING:
    from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceAsyncStub

LEASE = timedelta(seconds=1.5)


@dataclass
class Installation:
    """Where the servers are; `replica()` runs one process's worth of the service."""

    settings: Settings
    issuer: Issuer

    @asynccontextmanager
    async def replica(self) -> AsyncIterator["Replica"]:
        async with (
            service(self.settings) as running,
            grpc.aio.insecure_channel(running.grpc_address) as channel,
        ):
            yield Replica(PresenceServiceStub(channel), self.issuer)


@dataclass
class Replica:
    stub: "PresenceServiceAsyncStub"
    issuer: Issuer

    def agent(self, tenant_id: str, user_id: str = "ana") -> "Agent":
        return Agent(self.stub, bearer(self.issuer.user(tenant_id, user_id)), user_id)


@dataclass
class Agent:
    """One user at one replica."""

    stub: "PresenceServiceAsyncStub"
    token: tuple[tuple[str, str], ...]
    user_id: str

    async def beat(self, device_id: str = "d1") -> Presence:
        request = HeartbeatRequest(device_id=device_id)
        return (await self.stub.Heartbeat(request, metadata=self.token)).presence

    async def leave(self, device_id: str = "d1") -> None:
        await self.stub.Disconnect(DisconnectRequest(device_id=device_id), metadata=self.token)

    async def choose(self, *, receive_new: bool) -> Presence:
        request = SetReceiveNewRequest(receive_new=receive_new)
        return (await self.stub.SetReceiveNew(request, metadata=self.token)).presence

    async def be_ready(self) -> Presence:
        await self.beat()
        return await self.choose(receive_new=True)

    async def presence(self, user_id: str = "") -> Presence:
        request = GetPresenceRequest(user_id=user_id or self.user_id)
        return (await self.stub.GetPresence(request, metadata=self.token)).presence

    async def keep_beating(self, device_id: str, *, pause: float) -> None:
        while True:
            await self.beat(device_id)
            await asyncio.sleep(pause)


@asynccontextmanager
async def installation(
    nats_url: str, mongo_url: str, database: str, *, keep_choice: float = 60
) -> AsyncIterator[Installation]:
    issuer = Issuer()
    async with key_server(issuer.jwks) as keys:
        settings = Settings(
            nats_url,
            mongo_url,
            mongo_database=database,
            grpc_address="127.0.0.1:0",
            jwks_url=keys.url,
            issuer=ISSUER,
            lease_seconds=LEASE,
            keep_choice=timedelta(seconds=keep_choice),
        )
        yield Installation(settings, issuer)
