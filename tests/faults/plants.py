"""Bugs of a whole router, for a process of its own: the journal reader must find each."""

from collections.abc import Callable, Sequence
from typing import Any

from services.dispatch.adapters.logs import JetStreamIntake, JetStreamJournal
from services.dispatch.adapters.outlets import JetStreamOutlet
from services.dispatch.adapters.records import encode_record
from services.dispatch.domain.inputs import Command, Fact, TaskSubmitted
from services.dispatch.use_cases.ports import Position, Shard, Step


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
        goes_on: bool,
    ) -> Position:
        data, chain = encode_record(
            cursor,
            steps,
            chain=since.chain,
            emitted=emitted,
            owner_id=self._owner_id,
            goes_on=goes_on,
        )
        ack = await self._bus.js.publish(f"dispatch.journal.{shard}", data)
        return Position(ack.seq, cursor, chain, emitted)

    JetStreamJournal.append = append  # type: ignore[method-assign] # planted


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
    """Acknowledge tasks that were never taken in, one of four."""
    append = JetStreamIntake.append
    tasks = 0

    async def careless(self: JetStreamIntake, it: Fact | Command, dedup_id: str) -> None:
        nonlocal tasks
        tasks += isinstance(it, TaskSubmitted)
        if not isinstance(it, TaskSubmitted) or tasks % 4:
            await append(self, it, dedup_id)

    JetStreamIntake.append = careless  # type: ignore[method-assign] # planted


PLANTS: dict[str, Callable[[], None]] = {
    it.__name__: it for it in (unfenced, drops_an_event, forgets_inputs)
}
