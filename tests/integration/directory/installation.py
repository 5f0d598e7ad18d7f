"""A directory as its callers see it: signed in over real gRPC, with real tokens."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc
import pytest
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from centralita.directory.v1.session_service_pb2 import (
    IssueServiceTokenRequest,
    SignInRequest,
    SignInResponse,
)
from centralita.directory.v1.session_service_pb2_grpc import SessionServiceStub
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]  # no stubs
from grpc_status import rpc_status

from services.kernel.run import Running

PASSWORD = "centralita-demo"
HASH = (
    "$argon2id$v=19$m=8,t=1,p=1$JSMzcderJsZW0SvrvE+qhA$Vy01mZEZRIqUXnKkuoQ9dPDtOOIICVS502DJGf41PSY"
)
SEED = """
[tenants.demo]
display_name = "Demonstration"
[tenants.demo.queues.support]
display_name = "Support"
[tenants.demo.queues.sales]
display_name = "Sales"
agent_selection = "least-busy"
[tenants.demo.users.olga]
email = "Olga@demo.example"
display_name = "Olga"
role = "owner"
password = "centralita-demo"
[tenants.demo.users.adam]
email = "adam@demo.example"
display_name = "Adam"
role = "administrator"
password = "centralita-demo"
[tenants.demo.users.sam]
email = "sam@demo.example"
display_name = "Sam"
role = "supervisor"
password = "centralita-demo"
[tenants.demo.users.ana]
email = "ana@demo.example"
display_name = "Ana"
role = "agent"
queues = ["support"]
chat_capacity = 3
password = "centralita-demo"
[tenants.demo.groups.front-desk]
display_name = "Front desk"
users = ["ana"]
[tenants.demo.channel_accounts.shop]
channel = "custom"
display_name = "Shop"
queue = "support"
callback_url = "http://127.0.0.1:9009/replies"
secret = "demo-shop-secret-0123456789"

# The other tenant. Its one user signs in with "centralita-demo" too: that is the hash.
[tenants.acme]
display_name = "Acme"
[tenants.acme.queues.acme-only]
display_name = "Only at Acme"
[tenants.acme.users.olga]
email = "olga@acme.example"
display_name = "Another Olga"
role = "owner"
queues = ["acme-only"]
password_hash = "HASH"
[tenants.acme.groups.acme-group]
display_name = "Only at Acme"
users = ["olga"]
[tenants.acme.channel_accounts.acme-web]
channel = "webchat"
display_name = "Only at Acme"
queue = "acme-only"
""".replace("HASH", HASH)


@dataclass(frozen=True)
class Refused:
    """What a caller is told: the code's name, the reason, the metadata."""

    code: str
    reason: str
    details: dict[str, str]


@dataclass(frozen=True)
class Caller:
    """The configuration as one user may see it. `directory.GetTenant(...)` and so on."""

    directory: Any
    token: str


@dataclass(frozen=True)
class Installation:
    channel: grpc.aio.Channel
    http_address: str

    @classmethod
    @asynccontextmanager
    async def at(cls, running: Running) -> AsyncIterator["Installation"]:
        async with grpc.aio.insecure_channel(running.grpc_address) as channel:
            yield cls(channel, running.http_address)

    @property
    def sessions(self) -> Any:
        return SessionServiceStub(self.channel)

    async def signed_in(self, name: str, tenant: str = "demo") -> SignInResponse:
        request = SignInRequest(
            tenant_id=tenant, email=f"{name}@{tenant}.example", password=PASSWORD
        )
        response: SignInResponse = await self.sessions.SignIn(request)
        return response

    async def as_user(self, name: str, tenant: str = "demo") -> Caller:
        return self.with_token((await self.signed_in(name, tenant)).tokens.access_token)

    async def as_service(self, name: str, secret: str) -> Caller:
        request = IssueServiceTokenRequest(service=name, secret=secret)
        return self.with_token((await self.sessions.IssueServiceToken(request)).access_token)

    def with_token(self, token: str) -> Caller:
        return Caller(_Bearing(DirectoryServiceStub(self.channel), token), token)


class _Bearing:
    """A stub whose every call carries the token."""

    def __init__(self, stub: Any, token: str) -> None:
        self._stub = stub
        self._metadata = [("authorization", f"Bearer {token}")] if token else []

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._stub, method)
        return lambda request: call(request, metadata=self._metadata)


async def refusal(call: Awaitable[Any]) -> Refused:
    """Await a call that must be refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None, error.details()
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "centralita.directory"
    return Refused(error.code().name, info.reason, dict(info.metadata))
