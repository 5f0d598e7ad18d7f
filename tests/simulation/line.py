"""How people reach the router, and what it answers them."""

import asyncio
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from .bus import Bus

TENANT = "acme"


class Line:
    """Hands facts in at least once, and repeats commands until they are answered."""

    def __init__(self, bus: Bus) -> None:
        self._bus, self._dice = bus, bus.dice
        self.answers: list[tuple[str, str, str]] = []
        """Tenant, request id and reason, as often as somebody was told."""
        self.settled: list[tuple[wire.Input, wire.Answered]] = []
        """Commands, each with the answer that ended the asking."""
        self._awaited: dict[str, asyncio.Future[wire.Answered]] = {}
        self._versions = 0
        self._facts = 0
        bus.answered = self._told

    def version(self) -> int:
        """Return a version that is newer than all before."""
        self._versions += 1
        return self._versions

    def tell(self, **body: Any) -> None:
        """Hand a fact in at least once: a repetition may come late, and without its id."""
        self._facts += 1
        fact = wire.Input(tenant_id=TENANT, **body)
        data, message_id = fact.SerializeToString(), f"in-{self._facts}"
        self._bus.take_in(data, message_id)
        chance = self._dice.random()
        if chance < 0.1:
            self._bus.take_in(data, message_id)
        elif chance < 0.2:
            loop = asyncio.get_running_loop()
            loop.call_later(self._dice.random() * 5, self._bus.take_in, data)

    async def ask(self, **body: Any) -> str:
        """Repeat a command under its request id until it is answered; return the reason."""
        command = wire.Input(tenant_id=TENANT, request_id=f"r{len(self._awaited)}", **body)
        answer: asyncio.Future[wire.Answered] = asyncio.get_running_loop().create_future()
        self._awaited[command.request_id] = answer
        while not answer.done():
            await asyncio.sleep(self._dice.random() * 0.01)
            command.reply_to = f"inbox.{self._dice.randrange(10**6)}"
            self._bus.take_in(command.SerializeToString())
            await asyncio.wait([answer], timeout=1.0)
        self.settled.append((command, answer.result()))
        return answer.result().reason

    def _told(self, answer: wire.Answered, _: str) -> None:
        self.answers.append((answer.tenant_id, answer.request_id, answer.reason))
        awaited = self._awaited[answer.request_id]
        if not awaited.done():
            awaited.set_result(answer)
