"""Servicers that do what a test tells them, behind a server like any other."""

# ruff: noqa: N802 - gRPC names its methods so

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import grpc
import pytest
from centralita.contacts.v1 import contacts_service_pb2 as contacts
from centralita.contacts.v1 import contacts_service_pb2_grpc as contacts_grpc
from centralita.directory.v1 import session_service_pb2 as session
from centralita.directory.v1 import session_service_pb2_grpc as session_grpc
from centralita.workspace.v1 import workspace_service_pb2 as workspace
from centralita.workspace.v1 import workspace_service_pb2_grpc as workspace_grpc
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped, unused-ignore]  # no stubs
from grpc import StatusCode
from grpc_health.v1 import health_pb2_grpc
from grpc_status import rpc_status

from services.kernel.answers import reason_of
from services.kernel.identity import caller
from services.kernel.serve import Exposed, serving
from tests.tokens import Issuer, bearer

ISSUER = Issuer()
ANA = bearer(ISSUER.user("acme", "ana", "agent"))


class NoSuchContact(Exception):
    reason: ClassVar[str] = "CONTACT_NOT_FOUND"

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details: Mapping[str, str] = details


class Contacts(contacts_grpc.ContactsServiceServicer):
    def __init__(self) -> None:
        self.does: Callable[[Any, Any], Awaitable[Any]] | None = None

    async def GetContact(self, request: Any, context: Any) -> Any:
        if self.does is not None:
            return await self.does(request, context)
        who = caller()
        response = contacts.GetContactResponse()
        response.contact.contact_id = f"{who.tenant_id}/{who.user_id}/{who.role}"
        return response

    async def BatchGetContacts(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def ResolveContact(self, request: Any, context: Any) -> contacts.ResolveContactResponse:
        return contacts.ResolveContactResponse(contact_id=caller().service)


class Workspace(workspace_grpc.WorkspaceServiceServicer):
    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.ended = asyncio.Event()
        self.size = 0

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[workspace.WatchResponse]:
        try:
            first = workspace.WatchResponse()
            first.removed_conversation_id = caller().user_id
            yield first
            if self.fails:
                raise self.fails
            while True:
                await asyncio.sleep(0.005)
                yield workspace.WatchResponse(removed_conversation_id="x" * self.size)
        finally:
            self.ended.set()

    async def ListCards(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


class Session(session_grpc.SessionServiceServicer):
    async def SignIn(self, request: Any, context: Any) -> session.SignInResponse:
        return session.SignInResponse(user_id="anyone")

    async def RefreshSession(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def SignOut(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def IssueServiceToken(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


class Served:
    """A server with three servicers, and stubs that reach it."""

    def __init__(self, address: str, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.channel = channel
        self.session = session_grpc.SessionServiceStub(channel)
        self.contacts = contacts_grpc.ContactsServiceStub(channel)
        self.workspace = workspace_grpc.WorkspaceServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)


@asynccontextmanager
async def served(
    its_contacts: Contacts | None = None, its_workspace: Workspace | None = None, grace: float = 5.0
) -> AsyncIterator[Served]:
    exposed: list[Exposed[Any]] = [
        Exposed(contacts_grpc.add_ContactsServiceServicer_to_server, its_contacts or Contacts()),
        Exposed(
            workspace_grpc.add_WorkspaceServiceServicer_to_server, its_workspace or Workspace()
        ),
        Exposed(session_grpc.add_SessionServiceServicer_to_server, Session()),
    ]
    async with (
        serving(
            "127.0.0.1:0",
            exposed,
            guard=ISSUER.guard(),
            codes={NoSuchContact: StatusCode.NOT_FOUND},
            grace=grace,
        ) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield Served(address, channel)


async def refused(call: Any, by: str = "contacts") -> tuple[StatusCode, ErrorInfo]:
    """Wait for the refusal of a call by a service; return its code and its one ErrorInfo."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]  # it has what is read
    assert status is not None
    assert len(status.details) == 1
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert reason_of(caught.value) == info.reason
    assert info.domain == f"centralita.{by}"
    return caught.value.code(), info


async def drained(call: Any) -> None:
    async for _ in call:
        pass
