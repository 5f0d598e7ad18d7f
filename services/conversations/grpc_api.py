"""ConversationsService over gRPC: translate, delegate, translate back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from centralita.conversations.v1 import conversations_service_pb2 as pb
from centralita.conversations.v1.conversations_service_pb2_grpc import (
    ConversationsServiceServicer,
)
from grpc import StatusCode
from grpc.aio import ServicerContext

from services.kernel.identity import caller

from . import messages
from .domain import errors
from .domain.message import Seen
from .domain.visibility import Rank, Viewer
from .use_cases import (
    Close,
    CountOpen,
    Memberships,
    ReadConversation,
    ReadMessages,
    ReadOpenConversation,
    Reply,
)

Context = ServicerContext[Any, Any]

CODES: Mapping[type[Exception], StatusCode] = {
    errors.ConversationNotFound: StatusCode.NOT_FOUND,
    errors.NotYours: StatusCode.FAILED_PRECONDITION,
    errors.ConversationClosed: StatusCode.FAILED_PRECONDITION,
    errors.TextMissing: StatusCode.INVALID_ARGUMENT,
    errors.TextTooLong: StatusCode.INVALID_ARGUMENT,
    errors.RequestIdMissing: StatusCode.INVALID_ARGUMENT,
    errors.RequestIdReused: StatusCode.ALREADY_EXISTS,
    errors.PageTokenInvalid: StatusCode.INVALID_ARGUMENT,
    errors.Stale: StatusCode.ABORTED,  # read again, decide again
}


@dataclass(frozen=True, slots=True)
class Working:
    """The use cases behind ConversationsService."""

    read: ReadConversation
    read_open: ReadOpenConversation
    count_open: CountOpen
    list_messages: ReadMessages
    reply: Reply
    close: Close


class ConversationsApi(ConversationsServiceServicer):
    """The tenant and the caller come from the token; only a service names a tenant."""

    def __init__(self, do: Working, memberships: Memberships) -> None:
        self._do = do
        self._memberships = memberships

    async def GetConversation(
        self, request: pb.GetConversationRequest, context: Context
    ) -> pb.GetConversationResponse:
        found = await self._do.read(self._viewer(), request.conversation_id)
        return pb.GetConversationResponse(conversation=messages.from_conversation(found))

    async def ListMessages(
        self, request: pb.ListMessagesRequest, context: Context
    ) -> pb.ListMessagesResponse:
        page = await self._do.list_messages(
            self._viewer(),
            request.conversation_id,
            request.page_size,
            messages.to_place(request.page_token),
        )
        return pb.ListMessagesResponse(
            messages=[messages.from_message(request.conversation_id, it) for it in page.messages],
            next_page_token=messages.to_page_token(page.next),
        )

    async def Reply(self, request: pb.ReplyRequest, context: Context) -> pb.ReplyResponse:
        sent = await self._do.reply(
            self._viewer(), request.conversation_id, request.request_id, request.text
        )
        return pb.ReplyResponse(message=messages.from_message(request.conversation_id, sent))

    async def CloseConversation(
        self, request: pb.CloseConversationRequest, context: Context
    ) -> pb.CloseConversationResponse:
        closed, following = await self._do.close(
            self._viewer(),
            request.conversation_id,
            request.request_id,
            Seen(request.last_seen_arrival),
        )
        return pb.CloseConversationResponse(
            conversation=messages.from_conversation(closed),
            crossed_messages=len(closed.crossed),
            continued_by=following.id if following else "",
        )

    async def GetOpenConversation(
        self, request: pb.GetOpenConversationRequest, context: Context
    ) -> pb.GetOpenConversationResponse:
        found = await self._do.read_open(
            request.tenant_id, request.channel_account_id, request.address
        )
        return pb.GetOpenConversationResponse(conversation=messages.from_conversation(found))

    async def CountOpenConversations(
        self, request: pb.CountOpenConversationsRequest, context: Context
    ) -> pb.CountOpenConversationsResponse:
        found = await self._do.count_open(request.tenant_id, request.channel_account_id)
        return pb.CountOpenConversationsResponse(open=found)

    def _viewer(self) -> Viewer:
        who = caller()
        queues = self._memberships.queues_of(who.tenant_id, who.user_id)
        return Viewer(who.tenant_id, who.user_id, Rank(who.role), queues)
