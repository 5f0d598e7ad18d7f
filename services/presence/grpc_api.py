"""PresenceService over gRPC: translate, delegate, translate back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from centralita.presence.v1.presence_service_pb2 import (
    DisconnectRequest,
    DisconnectResponse,
    GetPresenceRequest,
    GetPresenceResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    ListPresencesRequest,
    ListPresencesResponse,
    SetReceiveNewRequest,
    SetReceiveNewResponse,
)
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceServicer
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from grpc.aio import ServicerContext

from services.kernel.identity import caller

from .domain import errors
from .domain.leases import Key
from .messages import from_presence
from .use_cases import Agents, Disconnect, Heartbeat, ReadPresences

CODES: Mapping[type[Exception], StatusCode] = {
    errors.DeviceIdInvalid: StatusCode.INVALID_ARGUMENT,
    errors.UserIdInvalid: StatusCode.INVALID_ARGUMENT,
    errors.PageSizeInvalid: StatusCode.INVALID_ARGUMENT,
    errors.PageTokenInvalid: StatusCode.INVALID_ARGUMENT,
    errors.NotConnected: StatusCode.FAILED_PRECONDITION,
    errors.LeasesUnknown: StatusCode.UNAVAILABLE,
    errors.Stale: StatusCode.ABORTED,  # read again, decide again
}

Context = ServicerContext[Any, Any]


class PresenceApi(PresenceServiceServicer):
    def __init__(
        self,
        agents: Agents,
        heartbeat: Heartbeat,
        disconnect: Disconnect,
        read: ReadPresences,
        lease: timedelta,
    ) -> None:
        self._agents, self._read = agents, read
        self._heartbeat, self._disconnect = heartbeat, disconnect
        # Most heartbeats answer what the one before did.
        self._dressed = lru_cache(maxsize=4096)(from_presence)
        self._lease = Duration()
        self._lease.FromTimedelta(lease)

    async def Heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        found = await self._heartbeat(_user(), request.device_id)
        return HeartbeatResponse(presence=self._dressed(found), lease=self._lease)

    async def Disconnect(self, request: DisconnectRequest, context: Context) -> DisconnectResponse:
        await self._disconnect(_user(), request.device_id)
        return DisconnectResponse()

    async def SetReceiveNew(
        self, request: SetReceiveNewRequest, context: Context
    ) -> SetReceiveNewResponse:
        found = await self._agents.choose(_user(), receive_new=request.receive_new)
        return SetReceiveNewResponse(presence=from_presence(found))

    async def GetPresence(
        self, request: GetPresenceRequest, context: Context
    ) -> GetPresenceResponse:
        found = await self._read.one(caller().tenant_id, request.user_id)
        return GetPresenceResponse(presence=from_presence(found))

    async def ListPresences(
        self, request: ListPresencesRequest, context: Context
    ) -> ListPresencesResponse:
        after = _read_token(request.page_token)
        found, last = await self._read.some(caller().tenant_id, after, request.page_size)
        return ListPresencesResponse(
            presences=map(from_presence, found), next_page_token=_token(last)
        )


def _user() -> Key:
    who = caller()
    return who.tenant_id, who.user_id


def _token(user_id: str) -> str:
    return urlsafe_b64encode(user_id.encode()).decode()


def _read_token(text: str) -> str:
    try:
        return urlsafe_b64decode(text.encode()).decode()
    except ValueError:
        raise errors.PageTokenInvalid("Send the next_page_token of the page before.") from None
