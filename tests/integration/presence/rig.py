"""The service as it runs, one or two of it, and agents who call it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
from centralita.directory.v1.events_pb2 import PresencePolicyChanged, UserChanged
from centralita.directory.v1.resources_pb2 import (
    TASK_CHANNEL_CALL,
    Capacity,
    CustomStatus,
    PresencePolicy,
    TaskChannel,
    WayBack,
)
from centralita.dispatch.v1.events_pb2 import (
    AfterServiceStarted,
    OfferEnd,
    OfferEnded,
    TaskAssigned,
    TaskCompleted,
    TaskOffered,
    TaskQueued,
)
from centralita.presence.v1.events_pb2 import Status
from centralita.presence.v1.presence_service_pb2 import (
    Change,
    DisconnectRequest,
    ForceStatusRequest,
    GetPresenceRequest,
    HeartbeatRequest,
    ListHistoryRequest,
    Presence,
    SetReceiveNewRequest,
    SetStatusRequest,
)
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceStub

from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.ids import new_id
from services.kernel.wire import outgoing
from services.presence.__main__ import service
from services.presence.settings import Settings
from tests.streams import until
from tests.tokens import ISSUER, Issuer, bearer, key_server

if TYPE_CHECKING:
    from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceAsyncStub

LEASE = timedelta(seconds=1.5)


@dataclass
class Installation:
    """Where the servers are; `replica()` runs one process's worth of the service."""

    settings: Settings
    issuer: Issuer

    @asynccontextmanager
    async def replica(self) -> AsyncIterator["Replica"]:
        async with (
            service(self.settings) as running,
            self.replica_at(running.grpc_address) as it,
        ):
            yield it

    @asynccontextmanager
    async def replica_at(self, address: str) -> AsyncIterator["Replica"]:
        """Call a replica that runs elsewhere."""
        async with grpc.aio.insecure_channel(address) as channel:
            yield Replica(PresenceServiceStub(channel), self.issuer)


@dataclass
class Replica:
    stub: "PresenceServiceAsyncStub"
    issuer: Issuer

    def agent(self, tenant_id: str, user_id: str = "ana") -> "Agent":
        return Agent(self.stub, bearer(self.issuer.user(tenant_id, user_id)), user_id)

    def supervisor(self, tenant_id: str, user_id: str = "sue") -> "Agent":
        token = self.issuer.user(tenant_id, user_id, role="supervisor")
        return Agent(self.stub, bearer(token), user_id)


@dataclass
class Agent:
    """One user at one replica."""

    stub: "PresenceServiceAsyncStub"
    token: tuple[tuple[str, str], ...]
    user_id: str

    async def beat(self, device_id: str = "d1") -> Presence:
        request = HeartbeatRequest(device_id=device_id)
        return (await self.stub.Heartbeat(request, metadata=self.token)).presence

    async def leave(self, device_id: str = "d1") -> None:
        await self.stub.Disconnect(DisconnectRequest(device_id=device_id), metadata=self.token)

    async def choose(self, *, receive_new: bool) -> Presence:
        request = SetReceiveNewRequest(receive_new=receive_new)
        return (await self.stub.SetReceiveNew(request, metadata=self.token)).presence

    async def status(self, status: Status.ValueType, custom_status_id: str = "") -> Presence:
        request = SetStatusRequest(status=status, custom_status_id=custom_status_id)
        return (await self.stub.SetStatus(request, metadata=self.token)).presence

    async def force(self, user_id: str, status: Status.ValueType) -> Presence:
        request = ForceStatusRequest(user_id=user_id, status=status)
        return (await self.stub.ForceStatus(request, metadata=self.token)).presence

    async def history(self, user_id: str = "") -> list[Change]:
        """All changes, oldest first, read in pages of three."""
        request = ListHistoryRequest(user_id=user_id or self.user_id, page_size=3)
        found: list[Change] = []
        while True:
            page = await self.stub.ListHistory(request, metadata=self.token)
            found += page.changes
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found[::-1]

    async def shows(
        self, status: Status.ValueType, *, within: float = 5, user_id: str = ""
    ) -> Presence:
        """Wait until the badge shows this: one's own, or a colleague's."""

        async def shown() -> bool:
            return (await self.presence(user_id)).status == status

        await until(shown, within=within)
        return await self.presence(user_id)

    async def be_ready(self) -> Presence:
        await self.beat()
        return await self.choose(receive_new=True)

    async def presence(self, user_id: str = "") -> Presence:
        request = GetPresenceRequest(user_id=user_id or self.user_id)
        return (await self.stub.GetPresence(request, metadata=self.token)).presence

    async def keep_beating(self, device_id: str, *, pause: float) -> None:
        while True:
            await self.beat(device_id)
            await asyncio.sleep(pause)


Told = TaskOffered | OfferEnded | TaskAssigned | AfterServiceStarted | TaskCompleted | TaskQueued


@dataclass
class Router:
    """What dispatch and the directory tell of one tenant."""

    bus: Bus
    tenant_id: str
    revision: int = 1

    async def offered(self, agent_id: str, task_id: str, channel: TaskChannel.ValueType) -> None:
        await self._tell(TaskOffered(task_id=task_id, agent_id=agent_id, channel=channel))

    async def ended(
        self,
        agent_id: str,
        task_id: str,
        end: OfferEnd.ValueType,
        channel: TaskChannel.ValueType = TASK_CHANNEL_CALL,
    ) -> OfferEnded:
        event = OfferEnded(task_id=task_id, agent_id=agent_id, end=end, channel=channel)
        await self._tell(event)
        return event

    async def rings(self, agent_id: str, task_id: str) -> None:
        await self.offered(agent_id, task_id, TASK_CHANNEL_CALL)

    async def assigned(self, agent_id: str, task_id: str) -> None:
        await self._tell(
            TaskAssigned(task_id=task_id, agent_id=agent_id, channel=TASK_CHANNEL_CALL)
        )

    async def after_service(self, agent_id: str, task_id: str) -> None:
        await self._tell(
            AfterServiceStarted(task_id=task_id, agent_id=agent_id, channel=TASK_CHANNEL_CALL)
        )

    async def completed(self, agent_id: str, task_id: str) -> None:
        await self._tell(
            TaskCompleted(task_id=task_id, agent_id=agent_id, channel=TASK_CHANNEL_CALL)
        )

    async def queued(self, task_id: str) -> None:
        await self._tell(TaskQueued(task_id=task_id, channel=TASK_CHANNEL_CALL))

    async def again(self, event: Told) -> None:
        """Tell an event once more, as after a lost acknowledgement."""
        await self.bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))

    async def policy(
        self,
        way_back: WayBack.ValueType,
        *,
        banned_after: int = 1,
        cool_down: float = 0,
        statuses: tuple[str, ...] = (),
    ) -> None:
        policy = PresencePolicy(
            custom_statuses=[CustomStatus(status_id=one, display_name=one) for one in statuses],
            banned_after=banned_after,
            way_back=way_back,
        )
        policy.cool_down.FromTimedelta(timedelta(seconds=cool_down))
        event = PresencePolicyChanged(tenant_id=self.tenant_id, version=1, policy=policy)
        await self.bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))

    async def user(self, user_id: str, capacity: Capacity) -> None:
        """Settings of a user who answers a queue; each time later ones."""
        self.revision += 1
        event = UserChanged(
            tenant_id=self.tenant_id,
            user_id=user_id,
            version=self.revision,
            queue_ids=["sales"],
            capacity=capacity,
        )
        await self.bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))

    async def _tell(self, event: Told) -> None:
        self.revision += 1
        event.tenant_id, event.revision = self.tenant_id, self.revision
        await self.again(event)


@asynccontextmanager
async def installation(
    nats_url: str,
    mongo_url: str,
    database: str,
    *,
    keep_choice: float = 60,
    lease: timedelta = LEASE,
) -> AsyncIterator[Installation]:
    issuer = Issuer()
    async with key_server(issuer.jwks) as keys:
        settings = Settings(
            nats_url,
            mongo_url,
            mongo_database=database,
            grpc_address="127.0.0.1:0",
            jwks_url=keys.url,
            issuer=ISSUER,
            lease_seconds=lease,
            keep_choice=timedelta(seconds=keep_choice),
        )
        yield Installation(settings, issuer)
