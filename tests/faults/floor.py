"""A floor of simulated agents: they hear public events, and answer through the input log.

A command is repeated with its request id until it is answered, as any client must. Who declines
or lets ring out is settled by the task's number, so every run is the same work.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import count

from centralita.conversations.v1.events_pb2 import ConversationOpened
from centralita.directory.v1.events_pb2 import QueueChanged, UserChanged
from centralita.directory.v1.resources_pb2 import AGENT_SELECTION_LEAST_BUSY, Queue
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.options.v1.options_pb2 import ROLE_AGENT
from centralita.presence.v1.events_pb2 import PresenceChanged
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.errors import APIError

from services.kernel.bus import Bus, BusUnavailable, connected
from services.kernel.tail import tail
from services.kernel.wire import outgoing
from tests.streams import until

log = logging.getLogger(__name__)

SHARDS = 2
TENANTS = ("acme", "globex")  # one of each shard
AGENTS = 6
CAPACITY = 2
OFFER_TIMEOUT_S = 2
PATIENCE_S = 1.0


def shard_of(tenant_id: str) -> int:
    return int.from_bytes(blake2b(tenant_id.encode(), digest_size=8).digest()) % SHARDS


class Floor:
    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.submitted: set[tuple[str, str]] = set()
        self.completed: set[tuple[str, str]] = set()
        self.answers: list[tuple[str, str, str]] = []
        self.offers = 0
        self._version = 1
        self.first_offer = asyncio.Event()
        self.enough = asyncio.Event()
        self._inbox = bus.nc.new_inbox()
        self._awaited: dict[str, asyncio.Future[str]] = {}
        self._numbers = count(1)
        self._seen: set[tuple[str, str, int]] = set()
        self._busy: set[asyncio.Task[None]] = set()

    async def set_up(self) -> None:
        for tenant in TENANTS:
            queue = Queue(
                queue_id="sales",
                agent_selection=AGENT_SELECTION_LEAST_BUSY,
                offer_timeout=Duration(seconds=OFFER_TIMEOUT_S),
                priority=50,
            )
            await self.tell(
                QueueChanged(tenant_id=tenant, queue_id="sales", version=1, queue=queue)
            )
            for number in range(AGENTS):
                agent = f"agent-{number}"
                user = UserChanged(
                    tenant_id=tenant,
                    user_id=agent,
                    version=1,
                    role=ROLE_AGENT,
                    queue_ids=["sales"],
                    chat_capacity=CAPACITY,
                )
                seen = PresenceChanged(
                    tenant_id=tenant, user_id=agent, version=1, connected=True, receive_new=True
                )
                await self.tell(user)
                await self.tell(seen)

    async def tell(self, event: Message) -> None:
        """Publish as other services do: until it is stored."""
        message = outgoing(event, event_id=f"e-{next(self._numbers)}", at=datetime.now(UTC))
        while True:
            try:
                await self.bus.publish(message)
            except (BusUnavailable, APIError):
                await asyncio.sleep(0.05)
            else:
                return

    async def submit(self, tasks: int, *, every: float = 0.005) -> None:
        """Open conversations, at a pace, in turn for each tenant."""
        for _ in range(tasks):
            if self.enough.is_set():
                return
            number = len(self.submitted)
            tenant, task_id = TENANTS[number % len(TENANTS)], f"task-{number}"
            now = Timestamp()
            now.GetCurrentTime()
            opened = ConversationOpened(
                tenant_id=tenant, conversation_id=task_id, queue_id="sales", opened_at=now
            )
            await self.tell(opened)
            self.submitted.add((tenant, task_id))
            await asyncio.sleep(every)

    async def done(self, within: float = 30.0) -> None:
        """Wait until every task that was submitted is completed."""
        give_up = asyncio.get_running_loop().time() + within
        while asyncio.get_running_loop().time() < give_up:
            with suppress(AssertionError):
                await until(lambda: self.submitted == self.completed, within=3)
                await until(lambda: not self._busy, within=3)
                return
            await self._after_a_break()
        left = sorted(self.submitted - self.completed)[:5]
        raise AssertionError(f"{len(self.completed)} of {len(self.submitted)}: not {left}")

    async def _after_a_break(self) -> None:
        """Let everybody stop and begin again: who has refused a task may be rung by it."""
        for willing in (False, True):
            self._version += 1
            for tenant in TENANTS:
                for number in range(AGENTS):
                    seen = PresenceChanged(
                        tenant_id=tenant,
                        user_id=f"agent-{number}",
                        version=self._version,
                        connected=True,
                        receive_new=willing,
                    )
                    await self.tell(seen)

    async def listen(self) -> None:
        async with aclosing(tail(self.bus, "DISPATCH")) as batches:
            async for batch in batches:
                for message in batch:
                    kind = message.headers.get("ce-type", "").rpartition(".")[2]
                    if kind == "TaskOffered":
                        self._rung(public.TaskOffered.FromString(message.data))
                    elif kind == "TaskCompleted":
                        over = public.TaskCompleted.FromString(message.data)
                        self.completed.add((over.tenant_id, over.task_id))

    def _rung(self, it: public.TaskOffered) -> None:
        """Do what this agent does with this offer, once."""
        place = (it.tenant_id, it.task_id, it.revision)
        if place in self._seen:
            return
        self._seen.add(place)
        self.offers += 1
        self.first_offer.set()
        number, first = int(it.task_id.partition("-")[2]), it.revision == 2
        if first and number % 12 == 5:
            return  # lets it ring out
        working = asyncio.create_task(self._work(it, refuses=first and number % 12 == 7))
        self._busy.add(working)
        working.add_done_callback(self._busy.discard)

    async def _work(self, it: public.TaskOffered, *, refuses: bool) -> None:
        tenant, task_id, agent = it.tenant_id, it.task_id, it.agent_id
        if refuses:
            no = wire.DeclineOffer(task_id=task_id, agent_id=agent)
            await self.ask(wire.Input(tenant_id=tenant, decline_offer=no))
            return
        yes = wire.AcceptOffer(task_id=task_id, agent_id=agent)
        if await self.ask(wire.Input(tenant_id=tenant, accept_offer=yes)):
            return  # too late: it rings at somebody else
        over = wire.CompleteTask(task_id=task_id, actor_id=agent, actor_role=ROLE_AGENT)
        refused = await self.ask(wire.Input(tenant_id=tenant, complete_task=over))
        assert not refused, f"{task_id} was {agent}'s, and then {refused}"

    async def ask(self, command: wire.Input) -> str:
        """Repeat a command until it is answered; return the reason."""
        command.request_id = f"request-{next(self._numbers)}"
        while True:
            command.reply_to = f"{self._inbox}.{next(self._numbers)}"
            answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._awaited[command.reply_to] = answer
            with suppress(Error, TimeoutError, OSError):
                subject = f"dispatch.in.{shard_of(command.tenant_id)}"
                await self.bus.nc.publish(subject, command.SerializeToString())
                async with asyncio.timeout(PATIENCE_S):
                    reason = await answer
                self.answers.append((command.tenant_id, command.request_id, reason))
                return reason

    async def hear(self, message: Msg) -> None:
        awaited = self._awaited.pop(message.subject, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(wire.Answered.FromString(message.data).reason)

    async def open(self) -> None:
        await self.bus.nc.subscribe(f"{self._inbox}.*", cb=self.hear)

    async def leave(self) -> None:
        for working in self._busy:
            working.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)


@asynccontextmanager
async def floor(url: str) -> AsyncIterator[Floor]:
    async with connected(url, name="floor") as bus:
        people = Floor(bus)
        await people.open()
        await people.set_up()
        listening = asyncio.create_task(people.listen())
        try:
            yield people
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await people.leave()
