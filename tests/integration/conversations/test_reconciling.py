"""Conversations and the real router come apart, and come together again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import grpc
import pytest
from centralita.conversations.v1.resources_pb2 import CONVERSATION_STATE_CLOSED
from centralita.dispatch.v1 import dispatch_service_pb2 as dispatch
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from centralita.dispatch.v1.events_pb2 import TaskCancelled, TaskQueued

from services.conversations.__main__ import service as conversations_service
from services.dispatch.__main__ import service as dispatch_service
from services.dispatch.settings import Settings as DispatchSettings
from services.kernel.channels import channel
from tests.integration.conversations.rig import Rig
from tests.streams import until
from tests.tokens import ISSUER, bearer


@asynccontextmanager
async def router(rig: Rig) -> AsyncIterator[str]:
    settings = DispatchSettings(
        nats_url=rig.settings.nats_url,
        grpc_address="127.0.0.1:0",
        jwks_url=rig.settings.jwks_url,
        issuer=ISSUER,
        shards=1,
    )
    async with dispatch_service(settings) as running:
        yield running.grpc_address


@asynccontextmanager
async def reconciling(rig: Rig, router_address: str) -> AsyncIterator[None]:
    settings = replace(
        rig.settings,
        dispatch_address=router_address,
        reconcile_every=timedelta(milliseconds=100),
        reconcile_after=timedelta(),
    )
    async with conversations_service(settings):
        yield


async def test_what_the_router_never_heard_of_waits_for_an_agent_all_the_same(rig: Rig) -> None:
    await rig.tell(rig.member("ana", "sales"))  # the tenant has users
    conversation_id = await rig.opened("p-1")
    await rig.bus.js.purge_stream("CONVERSATIONS")  # what told the router is lost
    async with router(rig) as address, reconciling(rig, address):

        async def waits() -> bool:
            found = await rig.events("DISPATCH", TaskQueued)
            return [each.task_id for each in found] == [conversation_id]

        await until(waits, within=15)

        # The close is lost, too: it happens where nobody tells of it.
        document = await rig.db["conversations"].find_one({"_id": conversation_id})
        assert document is not None
        closed = {"by": "olga", "request_id": "c-1", "at": document["opened_at"]}
        await rig.db["conversations"].update_one(
            {"_id": conversation_id}, {"$set": {"state": "closed", "closed": closed}}
        )

        async def ended() -> bool:
            found = await rig.events("DISPATCH", TaskCancelled)
            return [each.task_id for each in found] == [conversation_id]

        await until(ended, within=15)

        # And the other way round: the task is over, and the conversation knows nothing of it.
        await rig.db["conversations"].update_one(
            {"_id": conversation_id}, {"$set": {"state": "open", "closed": None}}
        )

        async def closes() -> bool:
            it = await rig.conversation(conversation_id)
            return it.state == CONVERSATION_STATE_CLOSED

        await until(closes, within=15)


async def test_only_the_service_whose_work_they_are_may_compare_tasks(rig: Rig) -> None:
    async with router(rig) as address, channel(address) as to_dispatch:
        stub = DispatchServiceStub(to_dispatch)
        request = dispatch.CheckTasksRequest(tenant_id=rig.tenant, task_ids=["c-1"])
        ours = bearer(rig.issuer.service("conversations"))

        async def told() -> list[str]:
            with suppress(grpc.aio.AioRpcError):  # nobody leads yet
                answer = await stub.CheckTasks(request, metadata=ours)
                return list(answer.unknown_task_ids)
            return []

        assert await until(told, within=15) == ["c-1"]
        for stranger in (rig.owner, bearer(rig.issuer.service("workspace"))):
            for ask in (
                stub.CheckTasks(request, metadata=stranger),
                stub.ListChatTasks(
                    dispatch.ListChatTasksRequest(tenant_id=rig.tenant), metadata=stranger
                ),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as no:
                    await ask
                assert no.value.code() is grpc.StatusCode.PERMISSION_DENIED
        many = dispatch.CheckTasksRequest(tenant_id=rig.tenant, task_ids=["c"] * 501)
        with pytest.raises(grpc.aio.AioRpcError) as no:
            await stub.CheckTasks(many, metadata=ours)
        assert no.value.code() is grpc.StatusCode.INVALID_ARGUMENT
