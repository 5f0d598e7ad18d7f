"""Customers, agents and administrators under a seed: tens of operations a second.

They come through the services' doors, and hear what the rest of the world hears: public events.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from itertools import count
from random import Random
from typing import Any

from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources
from centralita.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from centralita.dispatch.v1 import dispatch_service_pb2 as api
from centralita.dispatch.v1 import events_pb2 as public
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from centralita.options.v1.options_pb2 import ROLE_AGENT
from centralita.presence.v1 import presence_service_pb2 as presence
from centralita.presence.v1.events_pb2 import PresenceChanged, Status
from centralita.presence.v1.presence_service_pb2_grpc import PresenceServiceStub
from google.protobuf.duration_pb2 import Duration

from services.kernel.bus import Bus
from services.kernel.tail import tail
from tests.faults.journal_reader import Stored

from .asking import Lines
from .customers import Customers
from .records import Evidence, Key, Silence, now_ms

TENANTS = ("acme", "globex")
AGENTS = 5
CAPACITY = 2
QUEUES = ("sales", "support")
RING_S = 3
HEARTBEAT_S = 1.2
TASKS_PER_S = 4.0


class People:
    def __init__(
        self, bus: Bus, lines: Lines, customers: Customers, evidence: Evidence, dice: Random
    ) -> None:
        self.calm = False
        self.ended: set[Key] = set()
        self.standing: set[Key] = set()
        """Tasks that were queued and have not ended."""
        self._bus, self._lines, self._customers = bus, lines, customers
        self._evidence, self._dice = evidence, dice
        self._seen: set[tuple[str, str, int]] = set()
        self._speaking: set[Key] = set()
        """Whose device keeps its lease."""
        self._hushed: dict[Key, asyncio.Event] = {}
        """Whose device is to fall silent; set when it has been."""
        self._busy: set[asyncio.Task[Any]] = set()

    async def set_up(self) -> None:
        for tenant in TENANTS:
            for queue in QUEUES:
                await self._put_queue(tenant, queue)
            for number in range(AGENTS):
                await self._put_agent(tenant, f"agent-{number}", CAPACITY, QUEUES)
        for tenant in TENANTS:
            for number in range(AGENTS):
                self.begin(self._device(tenant, f"agent-{number}"))

    async def work(self, until: float) -> None:
        """Do something, at a pace, until a moment of the loop."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            await asyncio.sleep(self._dice.expovariate(TASKS_PER_S * 1.4))
            self.begin(self._something(self._dice.choice(TENANTS)))

    async def done(self, within: float) -> bool:
        """Let everybody finish; say whether all that began has ended."""
        self.calm = True
        loop = asyncio.get_running_loop()
        give_up = loop.time() + within
        while loop.time() < give_up:
            for tenant in TENANTS:
                for number in range(AGENTS):
                    agent = f"agent-{number}"
                    await self._put_agent(tenant, agent, CAPACITY, QUEUES)
                    for willing in (False, True):
                        await self._receive(tenant, agent, willing=willing)
            for _ in range(40):
                await asyncio.sleep(0.1)
                if self._at_peace():
                    return True
        return False

    def _at_peace(self) -> bool:
        return not self.standing and self._customers.served(self.ended)

    async def leave(self) -> None:
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    # What is heard

    async def listen(self) -> None:
        async with aclosing(tail(self._bus, "DISPATCH")) as batches:
            async for batch in batches:
                for it in batch:
                    self._heard(it.headers.get("ce-type", "").rpartition(".")[2], it.data)

    async def watch_presence(self) -> None:
        """Keep what the stream of presence forgets: all but the last of each."""
        async with aclosing(tail(self._bus, "PRESENCE")) as batches:
            async for batch in batches:
                for it in batch:
                    at = int(it.at.timestamp() * 1000)
                    seen = Stored(it.sequence, it.subject, it.headers, it.data, at)
                    self._evidence.presences.append(seen)
                    self._turn_back(PresenceChanged.FromString(it.data))

    def _heard(self, kind: str, data: bytes) -> None:
        if kind == "TaskQueued":
            queued = public.TaskQueued.FromString(data)
            self.standing |= {(queued.tenant_id, queued.task_id)} - self.ended
        elif kind in {"TaskCompleted", "TaskCancelled"}:
            over = public.TaskCompleted.FromString(data)
            self.ended.add((over.tenant_id, over.task_id))
            self.standing.discard((over.tenant_id, over.task_id))
        elif kind == "TaskOffered":
            it = public.TaskOffered.FromString(data)
            if (it.tenant_id, it.task_id, it.revision) not in self._seen:
                self._seen.add((it.tenant_id, it.task_id, it.revision))
                self.begin(self._answer(it))

    # What is done

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _something(self, tenant: str) -> None:
        agent = f"agent-{self._dice.randrange(AGENTS)}"
        chance = self._dice.random()
        if chance < 0.71:
            await self._customers.come(tenant, self._dice.choice(QUEUES))
        elif chance < 0.80:
            await self._assign(tenant, agent)
        elif chance < 0.85:
            await self._hang_up(tenant)
        elif chance < 0.91:
            await self._receive(tenant, agent, willing=False)
            await asyncio.sleep(self._dice.random() * 2)
            await self._receive(tenant, agent, willing=True)
        elif chance < 0.97:
            some = QUEUES if self._dice.random() < 0.7 else QUEUES[:1]
            await self._put_agent(tenant, agent, self._dice.randint(1, 3), some)
        else:
            await self._put_queue(tenant, self._dice.choice(QUEUES))

    async def _hang_up(self, tenant: str) -> None:
        task_id = self._some_task(tenant)
        if task_id:
            await self._customers.go(tenant, task_id)

    def _some_task(self, tenant: str) -> str:
        standing = sorted(task_id for owner, task_id in self.standing if owner == tenant)
        return self._dice.choice(standing) if standing else ""

    async def _assign(self, tenant: str, agent: str) -> None:
        task_id = self._some_task(tenant)
        if not task_id:
            return
        it = self._evidence.operation("assign", tenant, task_id, "sam")
        request = api.AssignTaskRequest(
            task_id=task_id, assignee_id=agent, request_id=it.request_id
        )
        if not await self._lines.ask(
            it, DispatchServiceStub, "AssignTask", request, role="manager"
        ):
            await self._complete(tenant, task_id, agent)

    async def _answer(self, offer: public.TaskOffered) -> None:
        tenant, task_id, agent = offer.tenant_id, offer.task_id, offer.agent_id
        # Each does with an offer what they would do with it again, whatever else happens.
        mind = Random(f"{tenant} {task_id} {offer.revision} {agent}")
        chance = 1.0 if self.calm else mind.random()
        if chance < 0.05:
            return  # lets it ring out
        if chance < 0.12:
            it = self._evidence.operation("decline", tenant, task_id, agent)
            no = api.DeclineOfferRequest(task_id=task_id, request_id=it.request_id)
            await self._lines.ask(it, DispatchServiceStub, "DeclineOffer", no)
            return
        left_s = (offer.expires_at.ToMilliseconds() - now_ms()) / 1000
        late = chance < 0.22
        await asyncio.sleep(max(0.0, left_s - 0.1 + mind.random() * 0.2 if late else mind.random()))
        it = self._evidence.operation("accept", tenant, task_id, agent)
        yes = api.AcceptOfferRequest(task_id=task_id, request_id=it.request_id)
        if not await self._lines.ask(it, DispatchServiceStub, "AcceptOffer", yes):
            await self._complete(tenant, task_id, agent)

    async def _complete(self, tenant: str, task_id: str, agent: str) -> None:
        await asyncio.sleep(0 if self.calm else self._dice.random() * 1.5)
        it = self._evidence.operation("complete", tenant, task_id, agent)
        request = api.CompleteTaskRequest(task_id=task_id, request_id=it.request_id)
        await self._lines.ask(it, DispatchServiceStub, "CompleteTask", request)

    # Agents and who configures them

    async def hush(self) -> None:
        """Have a device fall silent; return when it has been missed, or should have been."""
        while not self._speaking:  # noqa: ASYNC110 - it is ten devices that speak, in their time
            await asyncio.sleep(0.1)
        key = self._dice.choice(sorted(self._speaking))
        missed = self._hushed[key] = asyncio.Event()
        await missed.wait()

    async def _device(self, tenant: str, agent: str) -> None:
        """Keep a lease; at times leave, or fall silent without a word."""
        for number in count(1):
            device = presence.HeartbeatRequest(device_id=f"device-{number}")
            last = await self._live(tenant, agent, device)
            hushed = self._hushed.pop((tenant, agent), None)
            if hushed is None and self._dice.random() < 0.5:
                goodbye = presence.DisconnectRequest(device_id=device.device_id)
                await self._lines.once(PresenceServiceStub, "Disconnect", goodbye, tenant, agent)
                await asyncio.sleep(self._dice.random() * 2)
            elif last:
                silence = Silence(tenant, agent, last)
                self._evidence.silences.append(silence)
                await asyncio.sleep(self._evidence.lease_ms / 1000 + 3)
                silence.until_ms = now_ms()
            if hushed is not None:
                hushed.set()

    async def _live(self, tenant: str, agent: str, device: presence.HeartbeatRequest) -> int:
        """Return when the last heartbeat was answered."""
        loop, last, ready = asyncio.get_running_loop(), 0, False
        until = loop.time() + self._dice.expovariate(1 / 60)
        while self.calm or (loop.time() < until and (tenant, agent) not in self._hushed):
            if await self._lines.once(PresenceServiceStub, "Heartbeat", device, tenant, agent):
                last = now_ms()
                self._speaking.add((tenant, agent))
                if not ready:
                    willing = presence.SetReceiveNewRequest(receive_new=True)
                    ready = await self._lines.once(
                        PresenceServiceStub, "SetReceiveNew", willing, tenant, agent
                    )
            await asyncio.sleep(HEARTBEAT_S)
        self._speaking.discard((tenant, agent))
        return last

    def _turn_back(self, seen: PresenceChanged) -> None:
        """Have who let an offer pass turn to work again, after a while."""
        if seen.status == Status.STATUS_BANNED:
            mind = Random(f"{seen.tenant_id} {seen.user_id} {seen.version}")
            self.begin(self._back_after(mind.random() * 2, seen.tenant_id, seen.user_id))

    async def _back_after(self, seconds: float, tenant: str, agent: str) -> None:
        await asyncio.sleep(0 if self.calm else seconds)
        await self._receive(tenant, agent, willing=True)

    async def _receive(self, tenant: str, agent: str, *, willing: bool) -> None:
        it = self._evidence.operation("receive", tenant, agent, agent)
        request = presence.SetReceiveNewRequest(receive_new=willing)
        await self._lines.ask(it, PresenceServiceStub, "SetReceiveNew", request)

    async def _put_agent(
        self, tenant: str, agent: str, capacity: int, queues: tuple[str, ...]
    ) -> None:
        user = resources.User(
            user_id=agent,
            email=f"{agent}@{tenant}.example",
            display_name=agent,
            role=ROLE_AGENT,
            queue_ids=queues,
            chat_capacity=capacity,
        )
        it = self._evidence.operation("configure", tenant, agent)
        request = directory.PutUserRequest(user=user)
        await self._lines.ask(it, DirectoryServiceStub, "PutUser", request, role="owner")

    async def _put_queue(self, tenant: str, queue_id: str) -> None:
        queue = resources.Queue(
            queue_id=queue_id,
            display_name=queue_id,
            offer_timeout=Duration(seconds=RING_S),
            priority=self._dice.choice((40, 50, 60)),
        )
        it = self._evidence.operation("configure", tenant, queue_id)
        request = directory.PutQueueRequest(queue=queue)
        await self._lines.ask(it, DirectoryServiceStub, "PutQueue", request, role="owner")
