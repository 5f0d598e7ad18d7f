"""What is under way, asked of the services whose work it is."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

import grpc
from centralita.conversations.v1.conversations_service_pb2 import CountOpenConversationsRequest
from centralita.dispatch.v1.removal_service_pb2 import CountWorkRequest, VacateRequest, WorkCount

from services.directory.domain.errors import Stale, UnknownQueue
from services.directory.domain.work import Place, Work
from services.kernel.answers import DependencyUnavailable, reason_of
from services.kernel.ids import new_id

if TYPE_CHECKING:  # the generated code has them for type checkers only
    from centralita.conversations.v1.conversations_service_pb2_grpc import (
        ConversationsServiceAsyncStub,
    )
    from centralita.dispatch.v1.removal_service_pb2_grpc import RemovalServiceAsyncStub

T = TypeVar("T")

DEADLINE_S = 5.0


class GrpcRouter:
    def __init__(self, stub: "RemovalServiceAsyncStub") -> None:
        self._stub = stub

    async def work(self, place: Place) -> Work:
        request = CountWorkRequest(
            tenant_id=place.tenant_id, queue_id=place.queue_id, group_id=place.group_id
        )
        answer = await _answered(self._stub.CountWork(request, timeout=DEADLINE_S))
        return _counted(answer.work)

    async def vacate(self, place: Place, version: int, move_to: str, actor_id: str) -> Work:
        request = VacateRequest(
            tenant_id=place.tenant_id,
            queue_id=place.queue_id,
            group_id=place.group_id,
            version=version,
            target_queue_id=move_to,
            actor_id=actor_id,
            request_id=new_id(),
        )
        try:
            answer = await _answered(self._stub.Vacate(request, timeout=DEADLINE_S))
        except grpc.aio.AioRpcError as error:
            reason = reason_of(error)
            if reason == "QUEUE_NOT_FOUND":
                raise UnknownQueue(
                    "The router does not know this queue, or it is being removed too.",
                    field="move_to",
                    queueId=move_to,
                ) from error
            if reason == "PUT_MEANWHILE":
                raise Stale("It was put meanwhile.", id=place.queue_id or place.group_id) from error
            raise
        return _counted(answer.left)


class GrpcConversations:
    def __init__(self, stub: "ConversationsServiceAsyncStub") -> None:
        self._stub = stub

    async def open_on(self, tenant_id: str, account_id: str) -> int:
        request = CountOpenConversationsRequest(tenant_id=tenant_id, channel_account_id=account_id)
        call = self._stub.CountOpenConversations(request, timeout=DEADLINE_S)
        return (await _answered(call)).open


async def _answered(call: Awaitable[T]) -> T:
    """Wait for an answer; a replica of before, which does not know the question, gives none."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            raise DependencyUnavailable from error
        raise


def _counted(found: WorkCount) -> Work:
    return Work(found.waiting, found.ringing, found.in_service)
