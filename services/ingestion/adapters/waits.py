"""Who waits and for how long, asked of those who know. Nothing is kept here."""

import grpc
from centralita.conversations.v1.conversations_service_pb2 import GetOpenConversationRequest
from centralita.conversations.v1.conversations_service_pb2_grpc import ConversationsServiceStub
from centralita.dispatch.v1.dispatch_service_pb2 import GetWaitForTenantRequest
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub

from services.ingestion import messages
from services.ingestion.domain.account import ChannelAccount
from services.ingestion.domain.errors import DependencyUnavailable
from services.ingestion.domain.wait import Wait

_DEADLINE = 2.0


class GrpcConversations:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._conversations = ConversationsServiceStub(channel)

    async def waiting(self, account: ChannelAccount, address: str) -> str:
        request = GetOpenConversationRequest(
            tenant_id=account.tenant_id,
            channel_account_id=account.channel_account_id,
            address=messages.checked_address(address),
        )
        try:
            answer = await self._conversations.GetOpenConversation(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return ""
            raise _unknown() from error
        found = answer.conversation
        return "" if found.assignee_id else found.conversation_id


class GrpcRouter:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._dispatch = DispatchServiceStub(channel)

    async def wait(self, tenant_id: str, task_id: str) -> Wait | None:
        request = GetWaitForTenantRequest(tenant_id=tenant_id, task_id=task_id)
        try:
            answer = await self._dispatch.GetWaitForTenant(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise _unknown() from error
        return messages.wait(answer.wait)


def _unknown() -> DependencyUnavailable:
    return DependencyUnavailable("Nobody can be asked at the moment; ask again.")
