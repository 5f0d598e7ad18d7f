"""A stream ends with its client, its token or its server, and says which."""

import asyncio
import time
from typing import Any

import grpc
from centralita.contacts.v1 import contacts_service_pb2 as contacts
from centralita.contacts.v1 import contacts_service_pb2_grpc as contacts_grpc
from centralita.workspace.v1 import workspace_service_pb2 as workspace
from centralita.workspace.v1 import workspace_service_pb2_grpc as workspace_grpc
from grpc import StatusCode
from grpc_health.v1 import health_pb2

from services.kernel.serve import Exposed, serving
from tests.servicers import (
    ANA,
    ISSUER,
    Contacts,
    NoSuchContact,
    Served,
    Workspace,
    drained,
    refused,
    served,
)
from tests.tokens import bearer


async def test_a_stream_knows_its_caller_and_is_closed_when_the_client_goes() -> None:
    its = Workspace()
    async with served(its_workspace=its) as it:
        call = it.workspace.Watch(workspace.WatchRequest(), metadata=ANA)
        first = await anext(aiter(call))
        call.cancel()
        await asyncio.wait_for(its.ended.wait(), 5)
    assert first.removed_conversation_id == "ana"


async def test_a_refusal_in_a_stream_becomes_its_code() -> None:
    its = Workspace()
    its.fails = NoSuchContact("No such contact.")
    async with served(its_workspace=its) as it:
        code, info = await refused(
            drained(it.workspace.Watch(workspace.WatchRequest(), metadata=ANA))
        )
    assert (code, info.reason) == (StatusCode.NOT_FOUND, "CONTACT_NOT_FOUND")


async def test_a_stream_ends_when_its_token_does() -> None:
    soon = ISSUER.user(exp=time.time() + 1.2)
    its = Workspace()
    async with served(its_workspace=its) as it:
        code, info = await refused(
            drained(it.workspace.Watch(workspace.WatchRequest(), metadata=bearer(soon)))
        )
    assert (code, info.reason) == (StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")
    assert its.ended.is_set()


async def test_a_reader_that_does_not_read_holds_up_neither_token_nor_stop() -> None:
    its = Workspace()
    its.size = 3_000_000
    soon = ISSUER.user(exp=time.time() + 1.2)
    async with served(its_workspace=its) as it:
        blocked = [
            it.workspace.Watch(workspace.WatchRequest(), metadata=metadata)
            for metadata in (bearer(soon), ANA)
        ]
        for call in blocked:
            await anext(aiter(call))
        await asyncio.wait_for(its.ended.wait(), 5)
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 3


async def test_a_stop_sends_streams_elsewhere_and_lets_calls_finish() -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Any, __: Any) -> contacts.GetContactResponse:
        began.set()
        await go_on.wait()
        return contacts.GetContactResponse()

    its = Contacts()
    its.does = slow
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        up: asyncio.Future[Served] = asyncio.get_running_loop().create_future()

        async def serve() -> None:
            async with serving(
                "127.0.0.1:0",
                [
                    Exposed(contacts_grpc.add_ContactsServiceServicer_to_server, its),
                    Exposed(workspace_grpc.add_WorkspaceServiceServicer_to_server, Workspace()),
                ],
                guard=ISSUER.guard(),
                codes={},
            ) as address:
                up.set_result(Served(address, grpc.aio.insecure_channel(address)))
                await stop.wait()

        server = group.create_task(serve())
        it = await up
        watching = group.create_task(
            refused(drained(it.workspace.Watch(workspace.WatchRequest(), metadata=ANA)))
        )
        seen = drained(it.health.Watch(health_pb2.HealthCheckRequest(service="")))
        health = group.create_task(refused(seen))
        calling = it.contacts.GetContact(contacts.GetContactRequest(), metadata=ANA)
        await began.wait()
        stop.set()
        code, info = await watching
        assert (code, info.reason) == (StatusCode.UNAVAILABLE, "RECONNECT")
        assert (await health)[1].reason == "RECONNECT"
        assert not server.done()
        go_on.set()
        assert await calling == contacts.GetContactResponse()
        await asyncio.wait_for(server, 3)
        await it.channel.close()
