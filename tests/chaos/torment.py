"""What happens to processes, brokers and wires, and when: all from one seed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from itertools import cycle
from random import Random
from typing import Any

from nats.errors import Error
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from services.kernel.bus import Bus

from .checks import BUSY_MS, NOTICED_MS, PAUSE_MS, SETTLED_MS
from .installation import Installation, Service
from .records import Evidence, Fault, now_ms

Torment = Coroutine[Any, Any, None]

EVERY_S = 2.5
"""Between two faults, on average."""
TRIAL_EVERY_S = 75.0
"""Between two trials: a fault that comes alone, so that what follows can be laid to it."""
_VICTIMS = ("dispatch", "dispatch", "dispatch", "presence", "directory")
_REPEATED = ("DISPATCH_IN", "CONVERSATIONS")
"""Streams of which messages come again: each is delivered at least once, for ever."""


class Tormentor:
    """Lets one thing happen after the other; each heals before long."""

    def __init__(
        self,
        it: Installation,
        bus: Bus,
        evidence: Evidence,
        dice: Random,
        hush: Callable[[], Awaitable[None]],
    ) -> None:
        """`hush` has a device of somebody fall silent, and returns when it speaks again."""
        self._it, self._bus, self._evidence, self._dice = it, bus, evidence, dice
        self._hush = hush
        self._held: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    async def torment(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        trials = cycle(self._trials())
        trial_at = loop.time()
        while loop.time() < until:
            if loop.time() >= trial_at:
                await next(trials)()
                trial_at = loop.time() + TRIAL_EVERY_S
            await asyncio.sleep(self._dice.expovariate(1 / EVERY_S))
            doing = self._next()
            if doing is not None:
                task = asyncio.create_task(doing)
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        await self.heal()

    async def heal(self) -> None:
        """Wait until what was broken is whole again."""
        await asyncio.gather(*self._running)

    def _trials(self) -> Sequence[Callable[[], Torment]]:
        """Whose brokers elect a leader begins with a broker: even a short run judges both."""
        both = (self._broker_alone, self._silence_alone)
        return both if len(self._it.nodes) > 1 else both[::-1]

    async def _broker_alone(self) -> None:
        await self._calm(SETTLED_MS)
        await self._broker()
        await self._calm(PAUSE_MS + BUSY_MS)

    async def _silence_alone(self) -> None:
        await self._calm(2 * (self._evidence.lease_ms + NOTICED_MS + BUSY_MS))
        await self._hush()

    async def _calm(self, since_the_last_ms: int) -> None:
        """Wait until all is whole, and has been for so long."""
        await self.heal()
        ended = max((one.ended_ms for one in self._evidence.faults), default=0)
        await asyncio.sleep(max(0, ended + since_the_last_ms - now_ms()) / 1_000)

    def _next(self) -> Torment | None:
        """Choose what happens next, to nobody to whom something happens already."""
        dice = self._dice
        if dice.random() < 0.2 and self._free("broker"):
            return self._hold("broker", self._broker)
        if dice.random() < 0.2:
            return self._repeat()
        if self._it.plan.chat and dice.random() < 0.2:
            return self._hold("store", self._store) if self._free("store") else None
        name = dice.choice((*_VICTIMS, *(it.name for it in self._it.services)))
        service = dice.choice(self._it.named(name))
        if not self._free(service.label):
            return None
        how = dice.choice(
            (
                self._kill,
                self._kill,
                self._freeze,
                self._restart,
                self._cut,
                self._silence,
                self._slow,
            )
        )
        return self._hold(service.label, lambda: how(service))

    def _free(self, what: str) -> bool:
        return what not in self._held

    async def _hold(self, what: str, torment: Callable[[], Torment]) -> None:
        self._held.add(what)
        try:
            await torment()
        finally:
            self._held.discard(what)

    def _fault(self, kind: str, target: str) -> Fault:
        it = Fault(kind, target)
        self._evidence.faults.append(it)
        return it

    # Processes

    async def _kill(self, service: Service) -> None:
        it = self._fault("SIGKILL", service.label)
        await asyncio.to_thread(service.kill)
        await asyncio.sleep(self._dice.random() * 2)
        await self._again(service, it)

    async def _restart(self, service: Service) -> None:
        it = self._fault("SIGTERM", service.label)
        await asyncio.to_thread(service.stop)
        await self._again(service, it)

    async def _again(self, service: Service, it: Fault) -> None:
        process = service.launch()
        while not await asyncio.to_thread(service.ready, process):
            if process.poll() is not None:  # it could not start now: its keeper tries again
                process = service.launch()
            await asyncio.sleep(0.1)
        it.ended_ms = now_ms()

    async def _freeze(self, service: Service) -> None:
        it = self._fault("SIGSTOP", service.label)
        service.freeze()
        await asyncio.sleep(self._dice.choice((0.5, 2.0, 5.0)))
        service.thaw()
        it.ended_ms = now_ms()

    # Wires

    async def _cut(self, service: Service) -> None:
        it = self._fault("cut", service.label)
        for one in service.wires:
            one.cut()
        await self._mend(service, it)

    async def _silence(self, service: Service) -> None:
        it = self._fault("silence", service.label)
        for one in service.wires:
            one.silence()
        await self._mend(service, it)

    async def _slow(self, service: Service) -> None:
        it = self._fault("slow", service.label)
        for one in service.wires:
            one.slow(self._dice.choice((0.02, 0.1, 0.4)))
        await self._mend(service, it)

    async def _mend(self, service: Service, it: Fault) -> None:
        await asyncio.sleep(self._dice.choice((0.5, 2.0, 6.0)))
        for one in service.wires:
            one.heal()
        it.ended_ms = now_ms()

    # Brokers

    async def _broker(self) -> None:
        """One at a time: a majority of three must stand."""
        place = self._dice.randrange(len(self._it.nodes))
        node = self._it.nodes[place]
        if self._dice.random() < 0.4:
            it = self._fault("SIGSTOP", f"broker-{place}")
            node.freeze()
            await asyncio.sleep(self._dice.choice((0.5, 2.0, 4.0)))
            node.thaw()
        else:
            it = self._fault("SIGKILL", f"broker-{place}")
            await asyncio.to_thread(node.kill)
            await asyncio.sleep(self._dice.choice((0.2, 1.0, 4.0)))
            await asyncio.to_thread(node.start)
        it.ended_ms = now_ms()
        await asyncio.sleep(10 if len(self._it.nodes) > 1 else 3)  # to catch up with the others

    # The store of documents

    async def _store(self) -> None:
        """What was acknowledged is on its disk; for a while nothing can be read or written."""
        it = self._fault("SIGKILL", "store")
        await asyncio.to_thread(self._it.mongo.kill)
        await asyncio.sleep(self._dice.choice((0.2, 1.0, 3.0)))
        await asyncio.to_thread(self._it.mongo.start)
        it.ended_ms = now_ms()

    # Messages

    async def _repeat(self) -> None:
        """Let some messages come again: with their id, with another, soon or late."""
        stream = self._dice.choice(_REPEATED)
        it = self._fault("repeat", stream)
        with suppress(Error, APIError, TimeoutError, OSError):
            info = await self._bus.js.stream_info(stream)
            last = info.state.last_seq
            back = self._dice.choice((20, 400))
            for _ in range(self._dice.randint(1, 10)):
                sequence = last - self._dice.randrange(back)
                if sequence >= max(1, info.state.first_seq):
                    with suppress(NotFoundError):
                        await self._send_again(await self._bus.js.get_msg(stream, sequence))
        it.ended_ms = now_ms()

    async def _send_again(self, message: RawStreamMsg) -> None:
        headers = dict(message.headers or {})
        if self._dice.random() < 0.5:
            headers["Nats-Msg-Id"] = f"again-{self._dice.getrandbits(64):x}"
        if not message.subject:
            return
        await self._bus.js.publish(message.subject, message.data or b"", headers=headers or None)
