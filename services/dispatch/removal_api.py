"""RemovalService over gRPC: translate, ask the router, translate back."""

from typing import Any

from centralita.dispatch.v1 import removal_service_pb2 as api
from centralita.dispatch.v1.removal_service_pb2_grpc import RemovalServiceServicer
from grpc.aio import ServicerContext

from services.kernel.identity import caller

from . import fields
from .domain.inputs import SERVICE
from .domain.removal import WorkCount
from .domain.vacate import Vacate
from .fields import token
from .use_cases.removal import CountWork, VacatePlace

Context = ServicerContext[Any, Any]


class RemovalApi(RemovalServiceServicer):
    def __init__(self, count_work: CountWork, vacate: VacatePlace) -> None:
        self._count_work = count_work
        self._vacate = vacate

    async def CountWork(
        self, request: api.CountWorkRequest, context: Context
    ) -> api.CountWorkResponse:
        tenant_id = token(request.tenant_id, "tenant_id")
        fields.destination(request.queue_id, request.group_id)
        found = await self._count_work(tenant_id, request.queue_id, request.group_id)
        return api.CountWorkResponse(work=_counted(found))

    async def Vacate(self, request: api.VacateRequest, context: Context) -> api.VacateResponse:
        tenant_id = token(request.tenant_id, "tenant_id")
        fields.destination(request.queue_id, request.group_id)
        target_queue_id = token(request.target_queue_id, "target_queue_id")
        actor_id = token(request.actor_id, "actor_id")
        request_id = fields.request_id(f"{SERVICE}{caller().service}", request.request_id)
        left = await self._vacate(
            lambda reply_to: Vacate(
                tenant_id,
                request.queue_id,
                request.group_id,
                request.version,
                target_queue_id,
                actor_id,
                request_id,
                reply_to,
            )
        )
        return api.VacateResponse(left=_counted(left))


def _counted(found: WorkCount) -> api.WorkCount:
    return api.WorkCount(waiting=found.waiting, ringing=found.ringing, in_service=found.in_service)
