"""AuditService over gRPC: translate, ask, translate back."""

from datetime import UTC
from typing import Any

from centralita.dispatch.v1 import audit_service_pb2 as api
from centralita.dispatch.v1.audit_service_pb2_grpc import AuditServiceServicer
from grpc.aio import ServicerContext

from services.kernel.identity import caller

from .messages import write_acted
from .use_cases.acts import ListActs


class AuditApi(AuditServiceServicer):
    def __init__(self, list_acts: ListActs) -> None:
        self._list_acts = list_acts

    async def ListActs(
        self, request: api.ListActsRequest, context: ServicerContext[Any, Any]
    ) -> api.ListActsResponse:
        since = request.since.ToDatetime(UTC) if request.HasField("since") else None
        page = await self._list_acts(
            caller().tenant_id, since, request.page_size, request.page_token
        )
        return api.ListActsResponse(
            acts=map(write_acted, page.acts),
            next_page_token=str(page.last) if page.last else "",
        )
