"""PresenceService over gRPC: translate, delegate, translate back."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

from centralita.options.v1.options_pb2 import Role
from centralita.presence.v1.presence_service_pb2 import (
    DisconnectRequest,
    DisconnectResponse,
    ForceStatusRequest,
    ForceStatusResponse,
    GetPresenceRequest,
    GetPresenceResponse,
    GetTimeInStatusRequest,
    GetTimeInStatusResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    ListHistoryRequest,
    ListHistoryResponse,
    ListPresencesRequest,
    ListPresencesResponse,
    SetChannelsRequest,
    SetChannelsResponse,
    SetReceiveNewRequest,
    SetReceiveNewResponse,
    SetStatusRequest,
    SetStatusResponse,
)
from centralita.presence.v1.presence_service_pb2 import Presence as PresenceMessage
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceServicer
from grpc import StatusCode
from grpc.aio import ServicerContext

from services.kernel import page_tokens
from services.kernel.identity import caller

from .domain import errors
from .domain.eligibility import Hindrance
from .domain.leases import Key
from .domain.presence import Presence
from .domain.status import ONLINE, READY, Badge, Channel, Status
from .messages import duration, from_change, from_day, from_presence, moment
from .use_cases.agents import Agents
from .use_cases.devices import Disconnect, Heartbeat
from .use_cases.reading import ReadHistory, ReadPresences, insist_on_user

CODES: Mapping[type[Exception], StatusCode] = {
    errors.DeviceIdInvalid: StatusCode.INVALID_ARGUMENT,
    errors.UserIdInvalid: StatusCode.INVALID_ARGUMENT,
    errors.PageSizeInvalid: StatusCode.INVALID_ARGUMENT,
    errors.PageTokenInvalid: StatusCode.INVALID_ARGUMENT,
    errors.StatusInvalid: StatusCode.INVALID_ARGUMENT,
    errors.CustomStatusUnknown: StatusCode.INVALID_ARGUMENT,
    errors.ChannelInvalid: StatusCode.INVALID_ARGUMENT,
    errors.TimeZoneUnknown: StatusCode.INVALID_ARGUMENT,
    errors.DaysInvalid: StatusCode.INVALID_ARGUMENT,
    errors.NotYours: StatusCode.PERMISSION_DENIED,
    errors.StillBanned: StatusCode.FAILED_PRECONDITION,
    errors.NotConnected: StatusCode.FAILED_PRECONDITION,
    errors.LeasesUnknown: StatusCode.UNAVAILABLE,
    errors.Stale: StatusCode.ABORTED,  # read again, decide again
}

Context = ServicerContext[Any, Any]


REMEMBERED = 20_000  # agents, as last answered


class PresenceApi(PresenceServiceServicer):
    def __init__(
        self,
        agents: Agents,
        heartbeat: Heartbeat,
        disconnect: Disconnect,
        read: ReadPresences,
        history: ReadHistory,
    ) -> None:
        self._agents, self._read, self._history = agents, read, history
        self._heartbeat, self._disconnect = heartbeat, disconnect
        # Most heartbeats answer what the one before did.
        self._still = lru_cache(maxsize=REMEMBERED)(partial(_beaten, lease=heartbeat.lease))

    async def Heartbeat(self, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
        who = caller()
        found = await self._heartbeat(
            (who.tenant_id, who.user_id), request.device_id, who.session_id, who.user_version or 0
        )
        return self._still(found, self._read.hindrance(found))

    async def Disconnect(self, request: DisconnectRequest, context: Context) -> DisconnectResponse:
        await self._disconnect(_user(), request.device_id)
        return DisconnectResponse()

    async def SetReceiveNew(
        self, request: SetReceiveNewRequest, context: Context
    ) -> SetReceiveNewResponse:
        found = await self._agents.choose(_user(), READY if request.receive_new else ONLINE)
        return SetReceiveNewResponse(presence=self._shown(found))

    async def SetStatus(self, request: SetStatusRequest, context: Context) -> SetStatusResponse:
        found = await self._agents.choose(_user(), _chosen(request))
        return SetStatusResponse(presence=self._shown(found))

    async def SetChannels(
        self, request: SetChannelsRequest, context: Context
    ) -> SetChannelsResponse:
        found = await self._agents.want(_user(), _channels(request))
        return SetChannelsResponse(presence=self._shown(found))

    async def ForceStatus(
        self, request: ForceStatusRequest, context: Context
    ) -> ForceStatusResponse:
        insist_on_user(request.user_id)
        who = caller()
        user = (who.tenant_id, request.user_id)
        found = await self._agents.choose(user, _chosen(request), by=who.user_id)
        return ForceStatusResponse(presence=self._shown(found))

    async def ListHistory(
        self, request: ListHistoryRequest, context: Context
    ) -> ListHistoryResponse:
        before = moment(request.before) if request.HasField("before") else None
        found, last = await self._history.some(
            _seen_by_caller(request.user_id),
            _read_version(request.page_token),
            before,
            request.page_size,
        )
        return ListHistoryResponse(
            changes=map(from_change, found),
            next_page_token=page_tokens.encode(str(last)) if last else "",
        )

    async def GetTimeInStatus(
        self, request: GetTimeInStatusRequest, context: Context
    ) -> GetTimeInStatusResponse:
        found = await self._history.time_in_status(
            _seen_by_caller(request.user_id), request.first_day, request.days, request.time_zone
        )
        return GetTimeInStatusResponse(days=[from_day(day, times) for day, times in found])

    async def GetPresence(
        self, request: GetPresenceRequest, context: Context
    ) -> GetPresenceResponse:
        found = await self._read.one(caller().tenant_id, request.user_id)
        return GetPresenceResponse(presence=self._shown(found))

    async def ListPresences(
        self, request: ListPresencesRequest, context: Context
    ) -> ListPresencesResponse:
        after = _read_user(request.page_token)
        found, last = await self._read.some(caller().tenant_id, after, request.page_size)
        return ListPresencesResponse(
            presences=map(self._shown, found), next_page_token=page_tokens.encode(last)
        )

    def _shown(self, it: Presence) -> PresenceMessage:
        return from_presence(it, self._read.hindrance(it))


def _beaten(it: Presence, why_nothing: Hindrance, lease: timedelta) -> HeartbeatResponse:
    return HeartbeatResponse(
        presence=from_presence(it, why_nothing),
        lease=duration(lease),
        again_after=duration(lease * 2 / 3),
    )


def _user() -> Key:
    who = caller()
    return who.tenant_id, who.user_id


def _seen_by_caller(user_id: str) -> Key:
    """Name a user whose past the caller may see, or raise NotYours."""
    who = caller()
    if user_id != who.user_id and who.role < Role.ROLE_SUPERVISOR:
        raise errors.NotYours("Ask for your own, or ask a supervisor.")
    return who.tenant_id, user_id


def _chosen(request: SetStatusRequest | ForceStatusRequest) -> Badge:
    try:
        return Badge(Status(request.status), request.custom_status_id)
    except ValueError:
        raise errors.StatusInvalid("Name the status.") from None


def _channels(request: SetChannelsRequest) -> frozenset[Channel]:
    try:
        return frozenset(map(Channel, request.channels))
    except ValueError:
        raise errors.ChannelInvalid("Name chat, call or voicemail.") from None


def _read_version(token: str) -> int:
    try:
        return page_tokens.number(page_tokens.decode(token)) if token else 0
    except ValueError:
        raise _not_ours() from None


def _read_user(token: str) -> str:
    try:
        return page_tokens.decode(token)
    except ValueError:
        raise _not_ours() from None


def _not_ours() -> errors.PageTokenInvalid:
    return errors.PageTokenInvalid("Send the next_page_token of the page before.")
