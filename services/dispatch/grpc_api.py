"""DispatchService over gRPC: translate, ask the router, translate back."""

from typing import Any

from centralita.dispatch.v1.dispatch_service_pb2 import (
    AcceptOfferRequest,
    AcceptOfferResponse,
    AssignTaskRequest,
    AssignTaskResponse,
    CancelForTenantRequest,
    CancelForTenantResponse,
    CancelTaskRequest,
    CancelTaskResponse,
    CheckTasksRequest,
    CheckTasksResponse,
    CompleteTaskRequest,
    CompleteTaskResponse,
    DeclineOfferRequest,
    DeclineOfferResponse,
    ExtendAfterServiceRequest,
    ExtendAfterServiceResponse,
    FinishAfterServiceRequest,
    FinishAfterServiceResponse,
    GetQueueStatusRequest,
    GetQueueStatusResponse,
    GetWaitForTenantRequest,
    GetWaitForTenantResponse,
    GetWaitRequest,
    GetWaitResponse,
    ListChatTasksRequest,
    ListChatTasksResponse,
    ListShardsRequest,
    ListShardsResponse,
    MoveTasksRequest,
    MoveTasksResponse,
    ReportUnreachableRequest,
    ReportUnreachableResponse,
    SetQueueModeRequest,
    SetQueueModeResponse,
    SubmitForTenantRequest,
    SubmitForTenantResponse,
    SubmitTaskRequest,
    SubmitTaskResponse,
    TakeBackTaskRequest,
    TakeBackTaskResponse,
)
from centralita.dispatch.v1.dispatch_service_pb2 import Shard as ShardMessage
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceServicer
from centralita.dispatch.v1.events_pb2 import QueueMode as QueueModeMessage
from grpc import StatusCode
from grpc.aio import ServicerContext

from services.kernel.identity import caller
from services.kernel.ids import is_token

from . import fields
from .domain import errors
from .domain.inputs import (
    SERVICE,
    AcceptOffer,
    AssignTask,
    CancelTask,
    CompleteTask,
    DeclineOffer,
    ExtendAfterService,
    FinishAfterService,
    MoveTasks,
    QueueMode,
    ReportUnreachable,
    Role,
    SetQueueMode,
    SubmitTask,
    TakeBackTask,
    TaskSubmitted,
)
from .domain.supervision import MOVED_AT_ONCE
from .fields import token
from .matching import read_skills
from .messages import foretell, write_checked
from .use_cases.commands import Ask
from .use_cases.queues import Asker, GetQueueStatus
from .use_cases.shards import ListShards
from .use_cases.tasks import CheckTasks
from .use_cases.waits import GetWait

CODES = {
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.NotAllowed: StatusCode.PERMISSION_DENIED,
    errors.NotNow: StatusCode.FAILED_PRECONDITION,
    errors.Invalid: StatusCode.INVALID_ARGUMENT,
    errors.Reused: StatusCode.ALREADY_EXISTS,
    errors.Unanswered: StatusCode.UNAVAILABLE,
    errors.Busy: StatusCode.RESOURCE_EXHAUSTED,
    errors.TooLong: StatusCode.DEADLINE_EXCEEDED,
}

Context = ServicerContext[Any, Any]

MOST_CHECKED, MOST_LISTED = 500, 2_000

MODES = {mode.value: mode for mode in QueueMode}


class DispatchApi(DispatchServiceServicer):
    """Who asks comes from the token; what is asked, from the request."""

    def __init__(
        self,
        ask: Ask,
        list_shards: ListShards,
        get_wait: GetWait,
        get_queue_status: GetQueueStatus,
        check_tasks: CheckTasks,
    ) -> None:
        self._ask = ask
        self._list_shards = list_shards
        self._get_wait = get_wait
        self._get_queue_status = get_queue_status
        self._check_tasks = check_tasks

    async def GetWait(self, request: GetWaitRequest, context: Context) -> GetWaitResponse:
        return await self._wait(caller().tenant_id, request.task_id)

    async def GetWaitForTenant(
        self, request: GetWaitForTenantRequest, context: Context
    ) -> GetWaitForTenantResponse:
        tenant_id = token(request.tenant_id, "tenant_id")
        return GetWaitForTenantResponse(wait=await self._wait(tenant_id, request.task_id))

    async def _wait(self, tenant_id: str, task_id: str) -> GetWaitResponse:
        told = await self._get_wait(tenant_id, token(task_id, "task_id"))
        answer = GetWaitResponse(position=told.position)
        foretell(answer, told.foretold)
        return answer

    async def CheckTasks(self, request: CheckTasksRequest, context: Context) -> CheckTasksResponse:
        tenant_id = token(request.tenant_id, "tenant_id")
        task_ids = fields.few(request.task_ids, MOST_CHECKED, "task_ids")
        return write_checked(await self._check_tasks(tenant_id, task_ids))

    async def ListChatTasks(
        self, request: ListChatTasksRequest, context: Context
    ) -> ListChatTasksResponse:
        tenant_id = token(request.tenant_id, "tenant_id")
        most = min(request.page_size or MOST_LISTED, MOST_LISTED)
        after = fields.token_or_none(request.after_task_id, "after_task_id")
        found = await self._check_tasks.chats(tenant_id, after, most)
        return ListChatTasksResponse(task_ids=found)

    async def GetQueueStatus(
        self, request: GetQueueStatusRequest, context: Context
    ) -> GetQueueStatusResponse:
        who, queue_id = caller(), token(request.queue_id, "queue_id")
        asker = Asker(who.user_id, Role(who.role))
        found = await self._get_queue_status(who.tenant_id, queue_id, asker)
        answer = GetQueueStatusResponse(
            mode=QueueModeMessage.ValueType(found.mode),
            open=found.is_open,
            waiting=found.waiting,
            agents_there=found.agents_there,
        )
        if found.turns_at:
            answer.turns_at.FromMilliseconds(found.turns_at)
        if found.first_since:
            answer.first_since.FromMilliseconds(found.first_since)
        foretell(answer, found.foretold)
        return answer

    async def AcceptOffer(
        self, request: AcceptOfferRequest, context: Context
    ) -> AcceptOfferResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = token(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: AcceptOffer(who.tenant_id, task_id, who.user_id, request_id, reply_to)
        )
        return AcceptOfferResponse()

    async def DeclineOffer(
        self, request: DeclineOfferRequest, context: Context
    ) -> DeclineOfferResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = token(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: DeclineOffer(who.tenant_id, task_id, who.user_id, request_id, reply_to)
        )
        return DeclineOfferResponse()

    async def AssignTask(self, request: AssignTaskRequest, context: Context) -> AssignTaskResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = token(request.task_id, "task_id")
        assignee_id = token(request.assignee_id, "assignee_id")
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
        task_id = token(request.task_id, "task_id")
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
        task_id = token(request.task_id, "task_id")
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
        task_id = token(request.task_id, "task_id")
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
                    led=it.led,
                )
                for it in await self._list_shards(caller().tenant_id)
            ]
        )

    async def SubmitTask(self, request: SubmitTaskRequest, context: Context) -> SubmitTaskResponse:
        await self._submit(caller().tenant_id, request)
        return SubmitTaskResponse()

    async def SubmitForTenant(
        self, request: SubmitForTenantRequest, context: Context
    ) -> SubmitForTenantResponse:
        await self._submit(token(request.tenant_id, "tenant_id"), request.task)
        return SubmitForTenantResponse()

    async def _submit(self, tenant_id: str, request: SubmitTaskRequest) -> None:
        (actor_id, rank), request_id = _actor(), _request_id(request.request_id)
        task = _task(tenant_id, request)
        await self._ask(
            lambda reply_to: SubmitTask(tenant_id, task, actor_id, rank, request_id, reply_to)
        )

    async def ReportUnreachable(
        self, request: ReportUnreachableRequest, context: Context
    ) -> ReportUnreachableResponse:
        tenant_id = token(request.tenant_id, "tenant_id")
        request_id = _request_id(request.request_id)
        task_id, agent_id = token(request.task_id, "task_id"), token(request.agent_id, "agent_id")
        await self._ask(
            lambda reply_to: ReportUnreachable(tenant_id, task_id, agent_id, request_id, reply_to)
        )
        return ReportUnreachableResponse()

    async def CancelTask(self, request: CancelTaskRequest, context: Context) -> CancelTaskResponse:
        await self._cancel(caller().tenant_id, request)
        return CancelTaskResponse()

    async def CancelForTenant(
        self, request: CancelForTenantRequest, context: Context
    ) -> CancelForTenantResponse:
        await self._cancel(token(request.tenant_id, "tenant_id"), request.task)
        return CancelForTenantResponse()

    async def _cancel(self, tenant_id: str, request: CancelTaskRequest) -> None:
        (actor_id, rank), request_id = _actor(), _request_id(request.request_id)
        task_id = token(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: CancelTask(tenant_id, task_id, actor_id, rank, request_id, reply_to)
        )

    async def TakeBackTask(
        self, request: TakeBackTaskRequest, context: Context
    ) -> TakeBackTaskResponse:
        who, request_id = caller(), _request_id(request.request_id)
        task_id = token(request.task_id, "task_id")
        await self._ask(
            lambda reply_to: TakeBackTask(
                who.tenant_id,
                task_id,
                who.user_id,
                Role(who.role),
                request.exclude_agent,
                request_id,
                reply_to,
            )
        )
        return TakeBackTaskResponse()

    async def SetQueueMode(
        self, request: SetQueueModeRequest, context: Context
    ) -> SetQueueModeResponse:
        who, request_id = caller(), _request_id(request.request_id)
        queue_id = token(request.queue_id, "queue_id")
        if request.mode not in MODES:
            raise errors.Invalid("QUEUE_MODE_INVALID", "Name a mode: open, paused or draining.")
        await self._ask(
            lambda reply_to: SetQueueMode(
                who.tenant_id,
                queue_id,
                MODES[request.mode],
                who.user_id,
                Role(who.role),
                request_id,
                reply_to,
            )
        )
        return SetQueueModeResponse()

    async def MoveTasks(self, request: MoveTasksRequest, context: Context) -> MoveTasksResponse:
        who, request_id = caller(), _request_id(request.request_id)
        named = fields.token_or_none if request.task_ids else token
        queue_id = named(request.queue_id, "queue_id")
        target_queue_id = token(request.target_queue_id, "target_queue_id")
        if len(request.task_ids) > MOVED_AT_ONCE:
            raise errors.Invalid("TOO_MANY_TASKS", "Name 1,000 tasks at most, or none for all.")
        task_ids = tuple(token(task_id, "task_ids") for task_id in request.task_ids)
        answer = await self._ask(
            lambda reply_to: MoveTasks(
                who.tenant_id,
                queue_id,
                target_queue_id,
                who.user_id,
                Role(who.role),
                task_ids,
                request_id,
                reply_to,
            )
        )
        return MoveTasksResponse(moved=answer.count)


def _actor() -> tuple[str, Role]:
    """Say who acts; a service of the installation speaks for the whole tenant."""
    who = caller()
    return (f"{SERVICE}{who.service}", Role.OWNER) if who.service else (who.user_id, Role(who.role))


def _task(tenant_id: str, request: SubmitTaskRequest) -> TaskSubmitted:
    if not is_token(request.task_id):
        raise errors.Invalid(
            "TASK_ID_INVALID", "Name the task_id: 1 to 64 letters, digits, - or _."
        )
    fields.destination(request.queue_id, request.group_id)
    skills = fields.skills(request.skills)
    return TaskSubmitted(
        tenant_id,
        request.task_id,
        request.queue_id,
        enqueued_at=0,
        skills=read_skills(need for need in skills if not need.preferred),
        priority=fields.priority(request.priority),
        channel=fields.channel(request.channel),
        group_id=request.group_id,
        wishes=read_skills(need for need in skills if need.preferred),
        contact_id=fields.token_or_none(request.contact_id, "contact_id"),
        preferred_agent_id=fields.token_or_none(request.preferred_agent_id, "preferred_agent_id"),
    )


def _request_id(given: str) -> str:
    return fields.request_id(_actor()[0], given)
