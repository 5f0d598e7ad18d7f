"""DispatchService over gRPC: translate, ask the router, translate back."""

from typing import Any

from centralita.dispatch.v1.dispatch_service_pb2 import (
    AcceptOfferRequest,
    AcceptOfferResponse,
    AssignTaskRequest,
    AssignTaskResponse,
    CompleteTaskRequest,
    CompleteTaskResponse,
    DeclineOfferRequest,
    DeclineOfferResponse,
    ExtendAfterServiceRequest,
    ExtendAfterServiceResponse,
    FinishAfterServiceRequest,
    FinishAfterServiceResponse,
    ListShardsRequest,
    ListShardsResponse,
)
from centralita.dispatch.v1.dispatch_service_pb2 import Shard as ShardMessage
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceServicer
from grpc import StatusCode
from grpc.aio import ServicerContext

from services.kernel.identity import caller
from services.kernel.ids import is_token

from .domain import errors
from .domain.inputs import (
    AcceptOffer,
    AssignTask,
    CompleteTask,
    DeclineOffer,
    ExtendAfterService,
    FinishAfterService,
    Role,
)
from .use_cases.commands import Ask
from .use_cases.shards import ListShards

CODES = {
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.NotAllowed: StatusCode.PERMISSION_DENIED,
    errors.NotNow: StatusCode.FAILED_PRECONDITION,
    errors.Invalid: StatusCode.INVALID_ARGUMENT,
    errors.Unanswered: StatusCode.UNAVAILABLE,
    errors.TooLong: StatusCode.DEADLINE_EXCEEDED,
}

Context = ServicerContext[Any, Any]


class DispatchApi(DispatchServiceServicer):
    """Who asks comes from the token; what is asked, from the request."""

    def __init__(self, ask: Ask, list_shards: ListShards) -> None:
        self._ask = ask
        self._list_shards = list_shards

    async def AcceptOffer(
        self, request: AcceptOfferRequest, context: Context
    ) -> AcceptOfferResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = _id(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: AcceptOffer(who.tenant_id, task_id, who.user_id, request_id, reply_to)
        )
        return AcceptOfferResponse()

    async def DeclineOffer(
        self, request: DeclineOfferRequest, context: Context
    ) -> DeclineOfferResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = _id(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: DeclineOffer(who.tenant_id, task_id, who.user_id, request_id, reply_to)
        )
        return DeclineOfferResponse()

    async def AssignTask(self, request: AssignTaskRequest, context: Context) -> AssignTaskResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = _id(request.task_id, "task_id")
        assignee_id = _id(request.assignee_id, "assignee_id")
        await self._ask(
            lambda reply_to: AssignTask(
                who.tenant_id,
                task_id,
                who.user_id,
                Role(who.role),
                assignee_id,
                request_id,
                reply_to,
            )
        )
        return AssignTaskResponse()

    async def CompleteTask(
        self, request: CompleteTaskRequest, context: Context
    ) -> CompleteTaskResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = _id(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: CompleteTask(
                who.tenant_id, task_id, who.user_id, Role(who.role), request_id, reply_to
            )
        )
        return CompleteTaskResponse()

    async def FinishAfterService(
        self, request: FinishAfterServiceRequest, context: Context
    ) -> FinishAfterServiceResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = _id(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: FinishAfterService(
                who.tenant_id, task_id, who.user_id, Role(who.role), request_id, reply_to
            )
        )
        return FinishAfterServiceResponse()

    async def ExtendAfterService(
        self, request: ExtendAfterServiceRequest, context: Context
    ) -> ExtendAfterServiceResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = _id(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: ExtendAfterService(
                who.tenant_id, task_id, who.user_id, request_id, reply_to
            )
        )
        return ExtendAfterServiceResponse()

    async def ListShards(self, request: ListShardsRequest, context: Context) -> ListShardsResponse:
        return ListShardsResponse(
            shards=[
                ShardMessage(
                    number=it.shard,
                    owner_id=it.leadership.owner_id,
                    successor_id=it.leadership.successor_id,
                    journal_sequence=it.journal_sequence,
                )
                for it in await self._list_shards()
            ]
        )


def _request_id(given: str) -> str:
    """Make the client's id the caller's own, so that nobody is answered for somebody else."""
    if not is_token(given):
        raise errors.Invalid(
            "REQUEST_ID_INVALID",
            "Send a request_id of 1 to 64 letters, digits, - or _, made anew for each command.",
        )
    return f"{caller().user_id}/{given}"


def _id(given: str, field: str) -> str:
    if not is_token(given):
        raise errors.Invalid(
            "FIELD_INVALID", f"Name the {field}: 1 to 64 letters, digits, - or _.", field=field
        )
    return given
