"""How the router's tasks stand, asked of dispatch; and the word on what was mended."""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING

from centralita.dispatch.v1.dispatch_service_pb2 import CheckTasksRequest, ListChatTasksRequest

from services.conversations.use_cases.reconciling import Checked, Mend
from services.kernel.telemetry import meter

if TYPE_CHECKING:  # the generated code has it for type checkers only
    from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceAsyncStub

log = logging.getLogger(__name__)

DEADLINE_S = 5.0


class GrpcTasks:
    def __init__(self, stub: "DispatchServiceAsyncStub") -> None:
        self._stub = stub

    async def check(self, tenant_id: str, task_ids: Sequence[str]) -> Checked:
        request = CheckTasksRequest(tenant_id=tenant_id, task_ids=task_ids)
        answer = await self._stub.CheckTasks(request, timeout=DEADLINE_S)
        ended = {one.task_id: one.ended_at.ToDatetime(UTC) for one in answer.ended}
        return Checked(answer.unknown_task_ids, ended)

    async def chats(self, tenant_id: str) -> AsyncIterator[Sequence[str]]:
        request = ListChatTasksRequest(tenant_id=tenant_id)
        while True:
            answer = await self._stub.ListChatTasks(request, timeout=DEADLINE_S)
            if not answer.task_ids:
                return
            yield answer.task_ids
            request.after_task_id = answer.task_ids[-1]


class TellMends:
    """Each mend is a trace of a fault somewhere: it is counted, and logged by id."""

    def __init__(self) -> None:
        self._mends = meter().create_counter("centralita.conversations.mends")

    def __call__(self, mend: Mend, tenant_id: str, conversation_id: str) -> None:
        self._mends.add(1, {"mend": mend.value})
        log.warning(
            "conversation and task had come apart; mended",
            extra={
                "reason": mend.value,
                "tenant_id": tenant_id,
                "conversation_id": conversation_id,
            },
        )
