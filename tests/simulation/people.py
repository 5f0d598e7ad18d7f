"""Customers and agents of a world; they repeat what is not answered."""

import asyncio

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.options.v1.options_pb2 import ROLE_AGENT, ROLE_MANAGER

from tests.faults.journal_reader import Stored

from .bus import Bus
from .house import GROUPS, QUEUES, group, queue
from .line import Line
from .supervisors import Supervisors

TASKS, AGENTS = 10, 4
AGENT_IDS = [f"a{number}" for number in range(AGENTS)]
BOTHERS_S = 20.0
"""How long people make each other trouble; then all want to go home."""


class People:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._dice = bus.dice
        self.line = Line(bus)
        self.ended: set[str] = set()
        self.cancelled: set[str] = set()
        self._ready_at: dict[str, int] = {}
        self.calm = asyncio.Event()
        self._all_ended = asyncio.Event()
        self._supervisors = Supervisors(self.line, bus.dice, TASKS, AGENTS)
        self._work: set[asyncio.Task[None]] = set()
        bus.heard = self._hear

    async def live(self) -> None:
        """Come to work, do it, and wait until all of it is done."""
        for queue_id in QUEUES:
            self._set_up(queue_id)
        for group_id in GROUPS:
            self._form(group_id)
        for agent_id in AGENT_IDS:
            self._configure(agent_id, len(QUEUES), 1 + AGENT_IDS.index(agent_id) % 2)
        self._come_to_work()
        others = asyncio.gather(self._bother(), self._supervisors.interfere(BOTHERS_S))
        for number in range(TASKS):
            await asyncio.sleep(self._dice.random() * 1.5)
            task = wire.TaskSubmitted(
                task_id=f"t{number}",
                queue_id=self._dice.choice(QUEUES),
                group_id=self._dice.choice(("", "", *GROUPS)),
                enqueued_at_ms=self._bus.now(),
                cost=1,
            )
            self.line.tell(task_submitted=task)
        await others
        await self.calm.wait()
        await self._supervisors.let_go()
        for agent_id in AGENT_IDS:
            self._configure(agent_id, len(QUEUES), 2)
        self._leave_nobody_there()
        self._come_to_work()
        await self._all_ended.wait()  # whoever let it ring out stays as they are
        await asyncio.gather(*self._work)

    async def _bother(self) -> None:
        """Change one's mind, come late, go early, ask for what is not one's to have."""
        while asyncio.get_running_loop().time() < BOTHERS_S:
            await asyncio.sleep(self._dice.random() * 3)
            agent_id = self._dice.choice(AGENT_IDS)
            match self._dice.randrange(8):
                case 0:
                    queues = self._dice.randint(1, len(QUEUES))
                    self._configure(agent_id, queues, self._dice.randint(0, 3))
                case 1 | 2:
                    self._be_seen(agent_id, connected=self._dice.random() < 0.8, willing=False)
                    await asyncio.sleep(self._dice.random())
                    self._be_seen(agent_id, connected=True, willing=True)
                case 3:
                    self._begin(self._assign(f"t{self._dice.randrange(TASKS)}", agent_id))
                case 4:
                    self._set_up(self._dice.choice(QUEUES))
                case 5:
                    self._form(self._dice.choice(GROUPS))
                case 6:
                    self._be_seen(agent_id, connected=True, willing=True)
                case _ if self._dice.random() < 0.3:
                    by = self._dice.choice(
                        ("", agent_id)
                    )  # the customer leaves, or somebody ends it
                    task_id = f"t{self._dice.randrange(TASKS)}"
                    self.line.tell(task_closed=wire.TaskClosed(task_id=task_id, closed_by=by))

    async def _assign(self, task_id: str, agent_id: str) -> None:
        it = wire.AssignTask(
            task_id=task_id, actor_id="boss", actor_role=ROLE_MANAGER, assignee_id=agent_id
        )
        if not await self.line.ask(assign_task=it):
            await self._complete(task_id, agent_id)

    async def _answer_offer(self, it: public.TaskOffered) -> None:
        chance = self._dice.random()
        if not self.calm.is_set():
            if chance < 0.1:
                return  # lets it ring out
            if chance < 0.2:
                no = wire.DeclineOffer(task_id=it.task_id, agent_id=it.agent_id)
                await self.line.ask(decline_offer=no)
                return
            if chance < 0.24:
                mute = wire.ReportUnreachable(task_id=it.task_id, agent_id=it.agent_id)
                await self.line.ask(report_unreachable=mute)
                return
            if chance < 0.44:  # answers at the last moment
                left = it.expires_at.ToMilliseconds() - self._bus.now()
                await asyncio.sleep(max(0, left + self._dice.randint(-60, 60)) / 1000)
        yes = wire.AcceptOffer(task_id=it.task_id, agent_id=it.agent_id)
        if not await self.line.ask(accept_offer=yes):
            await self._complete(it.task_id, it.agent_id)

    async def _complete(self, task_id: str, agent_id: str) -> None:
        await asyncio.sleep(self._dice.random())
        over = wire.CompleteTask(task_id=task_id, actor_id=agent_id, actor_role=ROLE_AGENT)
        if await self.line.ask(complete_task=over):
            return
        if self._dice.random() < 0.2:
            more = wire.ExtendAfterService(task_id=task_id, agent_id=agent_id)
            await self.line.ask(extend_after_service=more)
        await asyncio.sleep(self._dice.random() * 3)
        enough = wire.FinishAfterService(task_id=task_id, actor_id=agent_id, actor_role=ROLE_AGENT)
        await self.line.ask(finish_after_service=enough)

    def _leave_nobody_there(self) -> None:
        for agent_id in AGENT_IDS:
            self._be_seen(agent_id, connected=True, willing=False)

    def _come_to_work(self) -> None:
        """Choose Ready: what a supervisor took from somebody for good may ring at them, too."""
        for agent_id in AGENT_IDS:
            self._be_seen(agent_id, connected=True, willing=True)

    def _be_seen(self, agent_id: str, *, connected: bool, willing: bool) -> None:
        """Show what was chosen now; who is Ready and willing chooses it once more."""
        if willing:
            self._ready_at[agent_id] = self._bus.now()
        seen = wire.PresenceObserved(
            agent_id=agent_id,
            version=self.line.version(),
            connected=connected,
            receive_new=connected and willing,
            ready_at_ms=self._ready_at.get(agent_id, 0),
        )
        self.line.tell(presence_observed=seen)

    def _configure(self, agent_id: str, queues: int, capacity: int) -> None:
        agent = wire.AgentConfigured(
            agent_id=agent_id,
            version=self.line.version(),
            queue_ids=self._dice.sample(QUEUES, queues),
            capacity=capacity,
        )
        self.line.tell(agent_configured=agent)

    def _set_up(self, queue_id: str) -> None:
        self.line.tell(queue_configured=queue(self._dice, queue_id, self.line.version()))

    def _form(self, group_id: str) -> None:
        formed = group(self._dice, group_id, self.line.version(), AGENT_IDS)
        self.line.tell(group_configured=formed)

    def _hear(self, event: Stored) -> None:
        kind = event.headers["ce-type"].rpartition(".")[2]
        if kind == "SupervisorActed":
            return
        it = getattr(public, kind).FromString(event.data)
        self._supervisors.hear(kind, it.task_id, it.queue_id)
        if kind in {"TaskCompleted", "TaskCancelled"}:
            self.ended.add(it.task_id)
            if len(self.ended) == TASKS:
                self._all_ended.set()
            if kind == "TaskCancelled":
                self.cancelled.add(it.task_id)
        elif kind == "TaskOffered":
            self._begin(self._answer_offer(it))

    def _begin(self, work: "asyncio._CoroutineLike[None]") -> None:
        self._work.add(asyncio.get_running_loop().create_task(work))
