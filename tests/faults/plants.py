"""Bugs of the whole router, for a process of its own: each must be found by the journal reader."""

from collections.abc import Callable, Sequence
from typing import Any

from services.dispatch.adapters.logs import JetStreamIntake, JetStreamJournal
from services.dispatch.adapters.outlets import JetStreamOutlet
from services.dispatch.adapters.records import encode_record
from services.dispatch.domain.index import Agent
from services.dispatch.domain.inputs import Command, Fact
from services.dispatch.use_cases import lead
from services.dispatch.use_cases.ports import Entry, Position, Shard, Step


def unfenced() -> None:
    """Append whatever others have appended."""

    async def append(  # noqa: PLR0913 - as the port has it
        self: Any,
        shard: Shard,
        cursor: int,
        steps: Sequence[Step],
        *,
        since: Position,
        emitted: int,
    ) -> Position:
        data, chain = encode_record(
            cursor, steps, chain=since.chain, emitted=emitted, owner_id=self._owner_id
        )
        ack = await self._bus.js.publish(f"dispatch.journal.{shard}", data)
        return Position(ack.seq, cursor, chain, emitted)

    JetStreamJournal.append = append  # type: ignore[method-assign] # planted


def tells_first() -> None:
    """Tell events and answers before they are committed, and hope."""

    async def turn(self: Any, batch: list[Entry]) -> None:
        self._sound = False
        steps = self._decide(batch)
        if steps:
            cursor = batch[-1].sequence if batch else self._position.cursor
            await self._outlet.emit(self._position.sequence + 1, steps)
            self._ports.checkpoint("decided")
            self._position = await self._ports.journal.append(
                self._shard, cursor, steps, since=self._position, emitted=self._position.sequence
            )

    lead._Term.turn = turn  # type: ignore[method-assign] # planted


def drops_an_event() -> None:
    """Lose every fortieth event on the way out, and believe that it arrived."""
    send = JetStreamOutlet._send
    count = 0

    async def losing(self: JetStreamOutlet, record: int, message: Any) -> None:
        nonlocal count
        count += 1
        if count % 40:
            await send(self, record, message)

    JetStreamOutlet._send = losing  # type: ignore[method-assign] # planted


def forgets_inputs() -> None:
    """Acknowledge facts that were never taken in."""
    append = JetStreamIntake.append
    count = 0

    async def careless(self: JetStreamIntake, it: Fact | Command, dedup_id: str) -> None:
        nonlocal count
        count += 1
        if count % 40:
            await append(self, it, dedup_id)

    JetStreamIntake.append = careless  # type: ignore[method-assign] # planted


def skips_inputs() -> None:
    """Move the cursor over inputs that were never decided on."""
    decide = lead._Term._decide
    count = 0

    def careless(self: Any, batch: list[Entry]) -> list[Step]:
        nonlocal count
        count += 1
        return decide(self, batch if count % 20 else batch[1:])

    lead._Term._decide = careless  # type: ignore[method-assign] # planted


def overloads() -> None:
    """Ring at agents who have no room."""
    Agent.free = property(lambda _: 1000)  # type: ignore[assignment, method-assign] # planted


PLANTS: dict[str, Callable[[], None]] = {
    it.__name__: it
    for it in (unfenced, tells_first, drops_an_event, forgets_inputs, skips_inputs, overloads)
}
