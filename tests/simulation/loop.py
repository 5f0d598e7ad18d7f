"""An event loop on which time is a number, machines are rows, and chance has a seed.

Everything that runs belongs to a machine. A machine runs its callbacks in the order in which they
came, as a real loop does; which machine runs next is drawn. One callback run is one step, the only
place where anything can happen: so a machine that is killed or frozen between two steps is so at
an await, and every await can be chosen.
"""

import asyncio
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from random import Random
from typing import Any, TypeVar, TypeVarTuple

STEP_S = 0.000_01
"""What a step takes of everybody's time."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Killed(BaseException):
    """Thrown into what is left of a dead machine when its world is over."""


class Machine:
    """Something that runs, and can be killed or frozen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = self.frozen = False
        self.steps = 0
        self.fate: Callable[[], None] | None = None
        """Called before each step of the machine; may kill or freeze it."""
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.listed = False


_machine: ContextVar[Machine] = ContextVar("machine")


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Runs machines. Nothing ever comes from outside, so waiting is only moving the clock."""

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self.world = Machine("world")
        self.steps = 0
        self._dice = dice
        self._now = 0.0
        self._awake: list[Machine] = []
        self._due: list[tuple[float, int, asyncio.TimerHandle, Machine]] = []
        self._numbers = 0

    def time(self) -> float:
        return self._now

    # What asyncio asks of a loop

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._push(self._owner(context), handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbers += 1
        heappush(self._due, (when, self._numbers, timer, self._owner(context)))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_task(
        self, coro: Any, *, name: object = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(
            coro, loop=self, name=None if name is None else str(name), context=context
        )
        owner = self._owner(context)
        if owner is not self.world:
            owner.tasks.append(task)
        return task

    def _timer_handle_cancelled(self, _: asyncio.TimerHandle) -> None:
        """Nothing to tidy up: it is passed over when it is due."""

    # Machines

    def boot(self, machine: Machine, program: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a program on a machine of its own."""
        context = copy_context()
        context.run(_machine.set, machine)
        return self.create_task(program, context=context)

    def kill(self, machine: Machine) -> None:
        """End a machine here and now: nothing of it runs on, not even what tidies up."""
        machine.dead = True

    def freeze(self, machine: Machine, seconds: float) -> None:
        """Stop a machine at once; meanwhile its timers fall due and what it awaits arrives."""
        machine.frozen = True
        context = copy_context()
        context.run(_machine.set, self.world)
        self.call_later(seconds, self._thaw, machine, context=context)

    def bury(self, machines: Iterable[Machine]) -> None:
        """Unwind what dead machines left standing, so that nothing is destroyed in mid-air."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # coroutines they had not begun
            for machine in machines:
                context = copy_context()
                context.run(_machine.set, machine)  # what they begin while they end is theirs
                for task in machine.tasks:
                    if not task.done():
                        task._log_destroy_pending = False  # type: ignore[attr-defined] # it is dead
                        context.run(_unwind, task.get_coro())

    def elsewhere(self, delay: float, work: Callable[[], object]) -> None:
        """Have something done by the world, whatever becomes of who asks for it."""
        context = copy_context()
        context.run(_machine.set, self.world)
        self.call_later(delay, work, context=context)

    def _thaw(self, machine: Machine) -> None:
        machine.frozen = False
        self._list(machine)

    def _owner(self, context: Context | None) -> Machine:
        return _machine.get(self.world) if context is None else context.get(_machine, self.world)

    def _push(self, machine: Machine, handle: asyncio.Handle) -> None:
        machine.ready.append(handle)
        if not machine.listed:
            self._list(machine)

    def _list(self, machine: Machine) -> None:
        if machine.ready and not (machine.dead or machine.frozen or machine.listed):
            machine.listed = True
            self._awake.append(machine)

    def _run_once(self) -> None:
        """Make one step, of whoever is drawn; move the clock when nobody has one to make."""
        due = self._due
        while due and (not self._awake or due[0][0] <= self._now):
            when, _, timer, machine = heappop(due)
            if not timer.cancelled():
                self._now = max(self._now, when)
                self._push(machine, timer)
        assert self._awake, "everybody waits for somebody"
        awake = self._awake
        place = self._dice.randrange(len(awake)) if len(awake) > 1 else 0
        machine = awake[place]
        if machine.fate is not None:
            machine.fate()
        if not (machine.dead or machine.frozen):
            handle = machine.ready.popleft()
            machine.steps += 1
            self.steps += 1
            self._now += STEP_S
            if not handle.cancelled():
                handle._run()
        if machine.dead or machine.frozen or not machine.ready:
            machine.listed = False
            awake[place] = awake[-1]
            awake.pop()


def _unwind(coro: Any) -> None:
    for _ in range(50):
        try:
            coro.throw(Killed())
        except BaseException:  # noqa: BLE001 - however it ends, it has ended
            return
