"""ConversationsService over gRPC: translate, delegate, translate back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

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

R = TypeVar("R")

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
        found = await self._as_viewer(lambda it: self._do.read(it, request.conversation_id))
        return pb.GetConversationResponse(conversation=messages.from_conversation(found))

    async def ListMessages(
        self, request: pb.ListMessagesRequest, context: Context
    ) -> pb.ListMessagesResponse:
        after = messages.to_place(request.page_token)
        page = await self._as_viewer(
            lambda it: self._do.list_messages(it, request.conversation_id, request.page_size, after)
        )
        return pb.ListMessagesResponse(
            messages=[messages.from_message(request.conversation_id, it) for it in page.messages],
            next_page_token=messages.to_page_token(page.next),
        )

    async def Reply(self, request: pb.ReplyRequest, context: Context) -> pb.ReplyResponse:
        sent = await self._as_viewer(
            lambda it: self._do.reply(it, request.conversation_id, request.request_id, request.text)
        )
        return pb.ReplyResponse(message=messages.from_message(request.conversation_id, sent))

    async def CloseConversation(
        self, request: pb.CloseConversationRequest, context: Context
    ) -> pb.CloseConversationResponse:
        seen = Seen(request.last_seen_arrival)
        closed, following = await self._as_viewer(
            lambda it: self._do.close(it, request.conversation_id, request.request_id, seen)
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

    async def _as_viewer(self, act: Callable[[Viewer], Awaitable[R]]) -> R:
        """Act for the caller. A refusal is judged again by the queues they were given just now."""
        before = self._viewer()
        try:
            return await act(before)
        except (errors.ConversationNotFound, errors.NotYours):
            await self._memberships.renew(before.tenant_id)
            if (now := self._viewer()) == before:
                raise
        return await act(now)

    def _viewer(self) -> Viewer:
        who = caller()
        queues = self._memberships.queues_of(who.tenant_id, who.user_id)
        return Viewer(who.tenant_id, who.user_id, Rank(who.role), queues)
