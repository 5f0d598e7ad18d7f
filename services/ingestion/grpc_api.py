"""IngestionService over gRPC: the webhook's contract for connectors that speak protobuf."""

from collections.abc import Mapping
from typing import Any

from centralita.ingestion.v1.ingestion_service_pb2 import PublishRequest, PublishResponse
from centralita.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceServicer
from grpc import StatusCode
from grpc.aio import ServicerContext

from .domain import errors
from .domain.account import Channel
from .use_cases import AcceptMessage, Envelope

CODES: Mapping[type[Exception], StatusCode] = {
    errors.ChannelAccountNotFound: StatusCode.NOT_FOUND,
    errors.ReplyNotFound: StatusCode.NOT_FOUND,
    errors.SignatureRefused: StatusCode.UNAUTHENTICATED,
    errors.VisitorTokenRefused: StatusCode.UNAUTHENTICATED,
    errors.OriginRefused: StatusCode.PERMISSION_DENIED,
    errors.RateLimited: StatusCode.RESOURCE_EXHAUSTED,
    errors.MessageIdReused: StatusCode.ALREADY_EXISTS,
    errors.BusUnavailable: StatusCode.UNAVAILABLE,
    errors.DependencyUnavailable: StatusCode.UNAVAILABLE,
    errors.Stale: StatusCode.ABORTED,
    errors.Refusal: StatusCode.INVALID_ARGUMENT,  # whatever else is wrong with the message
}


class IngestionApi(IngestionServiceServicer):
    def __init__(self, accept: AcceptMessage) -> None:
        self._accept = accept

    async def Publish(
        self, request: PublishRequest, context: ServicerContext[Any, Any]
    ) -> PublishResponse:
        envelope = Envelope(
            body=request.message,
            headers={
                **{key: str(value) for key, value in context.invocation_metadata() or ()},
                "content-type": "application/protobuf",
            },
        )
        key = (request.tenant_id, request.channel_account_id)
        return PublishResponse(duplicate=await self._accept(Channel.CUSTOM, key, envelope))
