"""Customers, agents and supervisors of a world; they repeat what is not answered."""

import asyncio
from collections.abc import Sequence

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.options.v1.options_pb2 import ROLE_AGENT, ROLE_MANAGER

from tests.faults.journal_reader import Stored

from .bus import Bus

TASKS, AGENTS = 10, 4
QUEUES = ("sales", "vip")
RING_MS, AFTER_SERVICE_MS, LONGEST_WAIT_MS = 2_000, 1_500, 3_000
RINGING = (
    directory.RING_STRATEGY_SIMULTANEOUS,
    directory.RING_STRATEGY_RANDOM,
    directory.RING_STRATEGY_SEQUENTIAL,
)
BOTHERS_S = 20.0
"""How long people make each other trouble; then all want to go home."""
STUCK_S = 150.0


class People:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._dice = bus.dice
        self.ended: set[str] = set()
        self.cancelled: set[str] = set()
        self.answers: list[tuple[str, str, str]] = []
        self.calm = asyncio.Event()
        self._awaited: dict[str, asyncio.Future[str]] = {}
        self._versions = 1
        self._facts = 0
        self._work: set[asyncio.Task[None]] = set()
        bus.heard, bus.answered = self._hear, self._told

    async def live(self) -> None:
        """Come to work, do it, and wait until all of it is done."""
        self._found()
        for number in range(AGENTS):
            self._configure(number, QUEUES, 1 + number % 2)
        self._take_a_break()
        others = asyncio.create_task(self._bother())
        for number in range(TASKS):
            await asyncio.sleep(self._dice.random() * 0.6)
            task = wire.TaskSubmitted(
                task_id=f"t{number}",
                queue_id=self._dice.choice(QUEUES),
                group_id=self._dice.choice(("", "", "desk")),
                enqueued_at_ms=self._bus.now(),
                cost=1,
            )
            self._tell(wire.Input(tenant_id="acme", task_submitted=task))
        await others
        await self.calm.wait()
        while len(self.ended) < TASKS:
            for number in range(AGENTS):
                self._configure(number, QUEUES, 2)
            self._take_a_break()
            await asyncio.sleep(5)
            late = asyncio.get_running_loop().time() > STUCK_S
            assert not late, f"ended are only {sorted(self.ended)}"
        await asyncio.gather(*self._work)

    def _found(self) -> None:
        """Set up a queue with work after the work, one that overflows into it, and a group."""
        sales = wire.QueuePolicy(
            after_service=directory.AfterService.MODE_LIMITED,
            after_service_limit_ms=AFTER_SERVICE_MS,
            after_service_extension_ms=AFTER_SERVICE_MS // 2,
        )
        vip = wire.QueuePolicy(
            max_wait_ms=LONGEST_WAIT_MS, overflow=directory.Overflow(queue_id="sales")
        )
        for queue, policy in zip(QUEUES, (sales, vip), strict=True):
            it = wire.QueueConfigured(
                queue_id=queue,
                version=1,
                offer_timeout_ms=RING_MS,
                priority=50 + 10 * len(queue),
                policy=policy,
            )
            self._tell(wire.Input(tenant_id="acme", queue_configured=it))
        desk = wire.GroupConfigured(
            group_id="desk",
            version=1,
            member_ids=[f"a{number}" for number in range(AGENTS)],
            ring_strategy=self._dice.choice(RINGING),
            ring_timeout_ms=RING_MS,
        )
        self._tell(wire.Input(tenant_id="acme", group_configured=desk))

    async def _bother(self) -> None:
        """Change one's mind, come late, go early, ask for what is not one's to have."""
        while asyncio.get_running_loop().time() < BOTHERS_S:
            await asyncio.sleep(self._dice.random() * 3)
            number = self._dice.randrange(AGENTS)
            match self._dice.randrange(5):
                case 0:
                    self._configure(
                        number, QUEUES[: self._dice.randint(1, 2)], self._dice.randint(0, 3)
                    )
                case 1 | 2:
                    self._be_seen(number, connected=self._dice.random() < 0.8, willing=False)
                    await asyncio.sleep(self._dice.random())
                    self._be_seen(number, connected=True, willing=True)
                case 3:
                    self._begin(self._assign(f"t{self._dice.randrange(TASKS)}", f"a{number}"))
                case _ if self._dice.random() < 0.3:
                    closed = wire.TaskClosed(task_id=f"t{self._dice.randrange(TASKS)}")
                    self._tell(wire.Input(tenant_id="acme", task_closed=closed))

    async def _assign(self, task_id: str, agent_id: str) -> None:
        it = wire.AssignTask(
            task_id=task_id, actor_id="boss", actor_role=ROLE_MANAGER, assignee_id=agent_id
        )
        if not await self._ask(wire.Input(tenant_id="acme", assign_task=it)):
            await self._complete(task_id, agent_id)

    async def _answer_offer(self, it: public.TaskOffered) -> None:
        chance = self._dice.random()
        if not self.calm.is_set():
            if chance < 0.1:
                return  # lets it ring out
            if chance < 0.2:
                no = wire.DeclineOffer(task_id=it.task_id, agent_id=it.agent_id)
                await self._ask(wire.Input(tenant_id="acme", decline_offer=no))
                return
            if chance < 0.4:  # answers at the last moment
                left = it.expires_at.ToMilliseconds() - self._bus.now()
                await asyncio.sleep(max(0, left + self._dice.randint(-60, 60)) / 1000)
        yes = wire.AcceptOffer(task_id=it.task_id, agent_id=it.agent_id)
        if not await self._ask(wire.Input(tenant_id="acme", accept_offer=yes)):
            await self._complete(it.task_id, it.agent_id)

    async def _complete(self, task_id: str, agent_id: str) -> None:
        await asyncio.sleep(self._dice.random())
        over = wire.CompleteTask(task_id=task_id, actor_id=agent_id, actor_role=ROLE_AGENT)
        await self._ask(wire.Input(tenant_id="acme", complete_task=over))
        chance = self._dice.random()
        if chance < 0.2:
            more = wire.ExtendAfterService(task_id=task_id, agent_id=agent_id)
            await self._ask(wire.Input(tenant_id="acme", extend_after_service=more))
        if chance < 0.4:
            enough = wire.FinishAfterService(
                task_id=task_id, actor_id=agent_id, actor_role=ROLE_AGENT
            )
            await self._ask(wire.Input(tenant_id="acme", finish_after_service=enough))

    def _take_a_break(self) -> None:
        """Stop and begin again: who has refused a task may be rung by it."""
        for willing in (False, True):
            for number in range(AGENTS):
                self._be_seen(number, connected=True, willing=willing)

    def _be_seen(self, number: int, *, connected: bool, willing: bool) -> None:
        self._versions += 1
        seen = wire.PresenceObserved(
            agent_id=f"a{number}",
            version=self._versions,
            connected=connected,
            receive_new=connected and willing,
        )
        self._tell(wire.Input(tenant_id="acme", presence_observed=seen))

    def _configure(self, number: int, queues: Sequence[str], capacity: int) -> None:
        self._versions += 1
        agent = wire.AgentConfigured(
            agent_id=f"a{number}", version=self._versions, queue_ids=queues, capacity=capacity
        )
        self._tell(wire.Input(tenant_id="acme", agent_configured=agent))

    def _tell(self, fact: wire.Input) -> None:
        """Hand a fact in at least once: a repetition may come late, and without its id."""
        self._facts += 1
        data, message_id = fact.SerializeToString(), f"in-{self._facts}"
        self._bus.take_in(data, message_id)
        chance = self._dice.random()
        if chance < 0.1:
            self._bus.take_in(data, message_id)
        elif chance < 0.2:
            loop = asyncio.get_running_loop()
            loop.call_later(self._dice.random() * 5, self._bus.take_in, data)

    async def _ask(self, command: wire.Input) -> str:
        """Repeat a command under its request id until it is answered; return the reason."""
        command.request_id = f"r{len(self._awaited)}"
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._awaited[command.request_id] = answer
        while not answer.done():
            await asyncio.sleep(self._dice.random() * 0.01)
            command.reply_to = f"inbox.{self._dice.randrange(10**6)}"
            self._bus.take_in(command.SerializeToString())
            await asyncio.wait([answer], timeout=1.0)
        return answer.result()

    def _hear(self, event: Stored) -> None:
        kind = event.headers["ce-type"].rpartition(".")[2]
        if kind in {"TaskCompleted", "TaskCancelled"}:
            task_id = public.TaskCompleted.FromString(event.data).task_id
            self.ended.add(task_id)
            if kind == "TaskCancelled":
                self.cancelled.add(task_id)
        elif kind == "TaskOffered":
            self._begin(self._answer_offer(public.TaskOffered.FromString(event.data)))

    def _told(self, answer: wire.Answered, _: str) -> None:
        self.answers.append((answer.tenant_id, answer.request_id, answer.reason))
        awaited = self._awaited[answer.request_id]
        if not awaited.done():
            awaited.set_result(answer.reason)

    def _begin(self, work: "asyncio._CoroutineLike[None]") -> None:
        self._work.add(asyncio.get_running_loop().create_task(work))
