"""The router as it runs, told by real events and called over gRPC with real tokens."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
from centralita.conversations.v1.events_pb2 import ConversationClosed, ConversationOpened
from centralita.directory.v1.events_pb2 import GroupChanged, QueueChanged, UserChanged
from centralita.directory.v1.resources_pb2 import Group, Queue
from centralita.dispatch.journal.v1 import journal_pb2 as journal
from centralita.dispatch.v1 import dispatch_service_pb2 as api
from centralita.dispatch.v1.audit_service_pb2 import ListActsRequest
from centralita.dispatch.v1.audit_service_pb2_grpc import AuditServiceStub
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from centralita.dispatch.v1.events_pb2 import OfferEnd, OfferEnded
from centralita.dispatch.v1.explain_service_pb2 import ExplainTaskRequest
from centralita.dispatch.v1.explain_service_pb2_grpc import ExplainServiceStub
from centralita.dispatch.v1.removal_service_pb2_grpc import RemovalServiceStub
from centralita.dispatch.v1.simulation_service_pb2 import CompareRequest, SimulateRequest
from centralita.dispatch.v1.simulation_service_pb2_grpc import SimulationServiceStub
from centralita.presence.v1.events_pb2 import PresenceChanged
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.dispatch.__main__ import service
from services.dispatch.settings import Settings
from services.kernel.answers import reason_of
from services.kernel.bus import Bus
from services.kernel.ids import new_id
from services.kernel.wire import outgoing
from tests.faults import journal_reader
from tests.streams import until
from tests.tokens import ISSUER, Issuer, bearer, key_server

Asked = Awaitable[Any]


class Centre:
    def __init__(self, channel: Any, issuer: Issuer, bus: Bus, tenant: str) -> None:
        self._stub, self._explain = DispatchServiceStub(channel), ExplainServiceStub(channel)
        self._simulation = SimulationServiceStub(channel)
        self._audit = AuditServiceStub(channel)
        self._removal = RemovalServiceStub(channel)
        self.channel, self.issuer, self._bus, self.tenant = channel, issuer, bus, tenant
        self._versions = 0

    # What the rest of the system says

    async def tell(self, event: Message, event_id: str = "") -> None:
        at = datetime.now(UTC)
        await self._bus.publish(outgoing(event, event_id=event_id or new_id(), at=at))

    async def queue_removed(self, queue_id: str) -> None:
        self._versions += 1
        it = QueueChanged(
            tenant_id=self.tenant, queue_id=queue_id, version=self._versions, removed=True
        )
        await self.tell(it)

    async def queue(
        self, queue_id: str = "sales", *, seconds: int = 20, priority: int = 0, **more: Any
    ) -> None:
        settings = Queue(offer_timeout=Duration(seconds=seconds), priority=priority, **more)
        self._versions += 1
        await self.tell(
            QueueChanged(
                tenant_id=self.tenant, queue_id=queue_id, version=self._versions, queue=settings
            )
        )

    async def group(self, group_id: str, *user_ids: str) -> None:
        self._versions += 1
        group = Group(group_id=group_id, user_ids=user_ids)
        await self.tell(
            GroupChanged(
                tenant_id=self.tenant, group_id=group_id, version=self._versions, group=group
            )
        )

    async def works(
        self,
        agent_id: str,
        capacity: int = 1,
        *,
        receive_new: bool = True,
        queue_id: str = "sales",
    ) -> None:
        self._versions += 1
        await self.tell(
            UserChanged(
                tenant_id=self.tenant,
                user_id=agent_id,
                version=self._versions,
                queue_ids=[queue_id],
                chat_capacity=capacity,
            )
        )
        await self.seen(agent_id, connected=True, receive_new=receive_new)
        # Each comes by a consumer of its own, and so does the task that shall find them.
        await self.decided("agent_set", agent_id)
        await self.decided("presence_set", agent_id)

    async def puts(self, agent_id: str, **more: Any) -> None:
        """Say of a user what the directory would, in sales unless said otherwise."""
        self._versions += 1
        said = {"queue_ids": ["sales"], **more}
        await self.tell(
            UserChanged(tenant_id=self.tenant, user_id=agent_id, version=self._versions, **said)
        )

    async def seen(self, agent_id: str, *, connected: bool, receive_new: bool) -> None:
        self._versions += 1
        await self.tell(
            PresenceChanged(
                tenant_id=self.tenant,
                user_id=agent_id,
                version=self._versions,
                connected=connected,
                receive_new=receive_new,
            )
        )

    async def opens(self, task_id: str, *, event_id: str = "", queue_id: str = "sales") -> None:
        now = Timestamp()
        now.GetCurrentTime()
        opened = ConversationOpened(
            tenant_id=self.tenant, conversation_id=task_id, queue_id=queue_id, opened_at=now
        )
        await self.tell(opened, event_id)

    async def closes(self, task_id: str, by: str = "") -> None:
        closed = ConversationClosed(tenant_id=self.tenant, conversation_id=task_id, closed_by=by)
        await self.tell(closed)

    # What people ask

    def accept(self, agent_id: str, task_id: str, request_id: str = "") -> Asked:
        request = api.AcceptOfferRequest(task_id=task_id, request_id=request_id or new_id())
        return self._call("AcceptOffer", request, agent_id)

    def decline(self, agent_id: str, task_id: str, request_id: str = "") -> Asked:
        request = api.DeclineOfferRequest(task_id=task_id, request_id=request_id or new_id())
        return self._call("DeclineOffer", request, agent_id)

    def assign(self, actor_id: str, task_id: str, to: str, role: str = "agent") -> Asked:
        request = api.AssignTaskRequest(task_id=task_id, assignee_id=to, request_id=new_id())
        return self._call("AssignTask", request, actor_id, role)

    def complete(self, actor_id: str, task_id: str, role: str = "agent") -> Asked:
        request = api.CompleteTaskRequest(task_id=task_id, request_id=new_id())
        return self._call("CompleteTask", request, actor_id, role)

    async def shards(self) -> list[Any]:
        answer = await self.ask("ListShards", api.ListShardsRequest(), service="operations")
        return list(answer.shards)

    def explain(self, user_id: str, request: ExplainTaskRequest, role: str) -> Asked:
        token = self.issuer.user(self.tenant, user_id, role)
        call: Asked = self._explain.ExplainTask(request, metadata=bearer(token))
        return call

    def acts(self, user_id: str, request: ListActsRequest, role: str = "manager") -> Asked:
        token = self.issuer.user(self.tenant, user_id, role)
        call: Asked = self._audit.ListActs(request, metadata=bearer(token))
        return call

    def simulate(
        self, request: SimulateRequest | CompareRequest, role: str = "manager", tenant: str = ""
    ) -> Asked:
        metadata = bearer(self.issuer.user(tenant or self.tenant, "mia", role))
        if isinstance(request, CompareRequest):
            compared: Asked = self._simulation.Compare(request, metadata=metadata)
            return compared
        simulated: Asked = self._simulation.Simulate(request, metadata=metadata)
        return simulated

    def finish(self, actor_id: str, task_id: str, role: str = "agent") -> Asked:
        request = api.FinishAfterServiceRequest(task_id=task_id, request_id=new_id())
        return self._call("FinishAfterService", request, actor_id, role)

    def extend(self, agent_id: str, task_id: str) -> Asked:
        request = api.ExtendAfterServiceRequest(task_id=task_id, request_id=new_id())
        return self._call("ExtendAfterService", request, agent_id)

    def wait(self, task_id: str) -> Asked:
        return self._call("GetWait", api.GetWaitRequest(task_id=task_id), "ana")

    def _call(self, method: str, request: Message, user_id: str, role: str = "agent") -> Asked:
        token = self.issuer.user(self.tenant, user_id, role)
        call: Asked = getattr(self._stub, method)(request, metadata=bearer(token))
        return call

    def ask(
        self,
        method: str,
        request: Message,
        user_id: str = "",
        role: str = "manager",
        *,
        service: str = "voice",
    ) -> Asked:
        """Call a method: as a user, or as a service, unless said the one that brings calls."""
        if user_id:
            return self._call(method, request, user_id, role)
        token = bearer(self.issuer.service(service))
        call: Asked = getattr(self._stub, method)(request, metadata=token)
        return call

    def removal(self, method: str, request: Message, service: str = "directory") -> Asked:
        token = bearer(self.issuer.service(service))
        call: Asked = getattr(self._removal, method)(request, metadata=token)
        return call

    # What can be heard

    async def heard(self, kind: str, task_id: str, agent_id: str = "") -> None:
        """Wait for a public event of the task."""

        async def there() -> bool:
            return any(
                event.headers.get("ce-type", "").endswith(f".{kind}")
                and task_id.encode() in event.data
                and agent_id.encode() in event.data
                for event in await journal_reader.stored(self._bus.js, "DISPATCH")
            )

        await until(there, within=10)

    async def offers_ended(self) -> list[OfferEnd.ValueType]:
        """Return how offers have ended so far."""
        events = await journal_reader.stored(self._bus.js, "DISPATCH")
        ended = (it for it in events if it.headers["ce-type"].endswith(".OfferEnded"))
        said = (OfferEnded.FromString(it.data) for it in ended)
        return [it.end for it in said if it.tenant_id == self.tenant]

    async def openings_are_known(self) -> None:
        """Wait until the router has decided on when its queues are open."""
        await self.decided("queue_turned")

    async def decided(self, kind: str, agent_id: str = "") -> None:
        """Wait until such a decision stands in the journal, of the agent if one is named."""

        async def known() -> bool:
            records = await journal_reader.stored(self._bus.js, "DISPATCH_JOURNAL")
            return any(
                decision.WhichOneof("body") == kind
                and agent_id in {"", *_agents(getattr(decision, kind))}
                for record in records
                for step in _steps(record.data)
                for decision in step.decisions
            )

        await until(known, within=10)

    async def audited(self) -> None:
        streams = [
            await journal_reader.stored(self._bus.js, name)
            for name in ("DISPATCH_IN", "DISPATCH_JOURNAL", "DISPATCH")
        ]
        assert journal_reader.audit(streams[0], streams[1], streams[2]).problems == []


def _steps(data: bytes) -> Sequence[journal.Step]:
    """Return the steps of a record; none of what is none."""
    try:
        return journal.Record.FromString(data).steps
    except DecodeError:
        return ()


def _agents(decision: Any) -> set[str]:
    """Return the agents that a change of settings or presence is about."""
    return {
        getattr(decision, field).agent_id
        for field in ("agent", "presence")
        if hasattr(decision, field)
    }


async def refusal(asked: Asked) -> tuple[grpc.StatusCode, str]:
    """Wait for a call to be refused; return code and reason."""
    try:
        await asked
    except grpc.aio.AioRpcError as no:
        return no.code(), reason_of(no)
    raise AssertionError("it was not refused")


@asynccontextmanager
async def centre(nats_url: str, bus: Bus, tenant: str) -> AsyncIterator[Centre]:
    issuer = Issuer()
    async with key_server(issuer.jwks) as keys:
        settings = Settings(
            nats_url=nats_url,
            grpc_address="127.0.0.1:0",
            jwks_url=keys.url,
            issuer=ISSUER,
            shards=1,
        )
        async with (
            service(settings) as running,
            grpc.aio.insecure_channel(running.grpc_address) as channel,
        ):
            yield Centre(channel, issuer, bus, tenant)
