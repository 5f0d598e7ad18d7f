"""Those who rule queues: they pause, drain, move, take back, and make others stop."""

import asyncio
from random import Random

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from centralita.options.v1.options_pb2 import ROLE_MANAGER, ROLE_SUPERVISOR, Role

from .house import QUEUES
from .line import Line

_WHO = (("boss", ROLE_MANAGER), ("a1", ROLE_SUPERVISOR))
"""Somebody with a say in everything, and somebody with a say in their own queues."""
_MODES = (public.QUEUE_MODE_PAUSED, public.QUEUE_MODE_DRAINING, public.QUEUE_MODE_OPEN)


class Supervisors:
    def __init__(self, line: Line, dice: Random, tasks: int, agents: int) -> None:
        self._line, self._dice = line, dice
        self._tasks, self._agents = tasks, agents
        self._waits: dict[str, str] = {}
        self._held: set[str] = set()

    def hear(self, kind: str, task_id: str, queue_id: str) -> None:
        """Look at the board: what waits in which queue, and what somebody has."""
        self._waits.pop(task_id, None)
        self._held.discard(task_id)
        if kind == "TaskQueued":
            self._waits[task_id] = queue_id
        elif kind == "TaskAssigned":
            self._held.add(task_id)

    async def interfere(self, until_s: float) -> None:
        """Change the course of work, one deed after the other, until a moment of the loop."""
        while asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(self._dice.random())
            match self._dice.randrange(8):
                case 0 | 1:
                    await self._set_mode(self._dice.choice(QUEUES), self._dice.choice(_MODES))
                case 2:
                    await self._force_a_break()
                case 3 | 4 | 5 if self._waits:
                    await self._move(self._dice.choice(sorted(self._waits.values())))
                case 6 | 7 if self._held:
                    await self._take_back(self._dice.choice(sorted(self._held)))
                case _:
                    await self._move(self._dice.choice(QUEUES))
                    await self._take_back(f"t{self._dice.randrange(self._tasks)}")

    async def let_go(self) -> None:
        """Have everything served again; who drains a queue may leave it at that."""
        for queue_id in QUEUES:
            last = self._dice.choice((public.QUEUE_MODE_OPEN, public.QUEUE_MODE_DRAINING))
            await self._set_mode(queue_id, last, by=_WHO[0])

    async def _set_mode(
        self,
        queue_id: str,
        mode: public.QueueMode.ValueType,
        by: tuple[str, Role.ValueType] | None = None,
    ) -> None:
        actor_id, role = by or self._dice.choice(_WHO)
        it = wire.SetQueueMode(queue_id=queue_id, mode=mode, actor_id=actor_id, actor_role=role)
        await self._line.ask(set_queue_mode=it)

    async def _move(self, queue_id: str) -> None:
        actor_id, role = self._dice.choice(_WHO)
        some = self._dice.sample(range(self._tasks), 4) if self._dice.random() < 0.3 else ()
        it = wire.MoveTasks(
            queue_id=queue_id,
            target_queue_id=self._dice.choice(QUEUES),
            actor_id=actor_id,
            actor_role=role,
            task_ids=[f"t{number}" for number in some],
        )
        await self._line.ask(move_tasks=it)

    async def _take_back(self, task_id: str) -> None:
        actor_id, role = self._dice.choice(_WHO)
        it = wire.TakeBackTask(
            task_id=task_id,
            actor_id=actor_id,
            actor_role=role,
            exclude_agent=self._dice.random() < 0.5,
        )
        await self._line.ask(take_back_task=it)

    async def _force_a_break(self) -> None:
        """Force a status on somebody, as presence tells of it, and let them go on."""
        agent_id = f"a{self._dice.randrange(self._agents)}"
        for receives in (False, True):
            forced = wire.PresenceObserved(
                agent_id=agent_id,
                version=self._line.version(),
                connected=True,
                receive_new=receives,
            )
            self._line.tell(presence_observed=forced)
            await asyncio.sleep(self._dice.random() * 2)
