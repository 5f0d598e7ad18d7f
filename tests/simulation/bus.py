"""What outlives machines, with the semantics of the real bus: logs, events, snapshots, leases.

Everything here happens at one moment, as at a stream's leader. What can go wrong on the way to it
and back is the network's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from tests.faults.journal_reader import Stored

BEFORE_NINE = 1_767_603_600_000 - 10_000
"""A Monday in January 2026, ten seconds before nine in UTC."""
WINDOW_S = 120.0
"""How long an id is remembered to which repetitions are compared."""


class Conflict(Exception):
    """An expectation about the last sequence or revision did not hold."""


@dataclass
class Bus:
    """One shard's worth of JetStream."""

    dice: Random
    inputs: list[Stored] = field(default_factory=list)
    records: list[Stored] = field(default_factory=list)
    events: list[Stored] = field(default_factory=list)
    snapshot: bytes = b""
    lease: tuple[int, str] = (0, "")
    """Revision and owner, with who shall lead next behind a `>`."""
    waiting: set[str] = field(default_factory=set)
    warm: set[str] = field(default_factory=set)
    """Who waits for the lease, and who of them could lead at once."""
    passed_on: int = 0
    refused: int = 0
    too_large: int = 0
    heard: Callable[[Stored], None] = lambda _: None
    answered: Callable[[wire.Answered, str], None] = lambda *_: None
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: dict[str, float] = field(default_factory=dict)

    def now(self) -> int:
        return BEFORE_NINE + int(asyncio.get_running_loop().time() * 1000)

    def take_in(self, data: bytes, message_id: str = "") -> None:
        """Append to the input log; the same id again soon is the same input."""
        if message_id and self._repeated(message_id):
            return
        last = self.inputs[-1].sequence if self.inputs else 0
        sequence = last + self.dice.randint(1, 2)  # other shards use the same stream
        self.inputs.append(Stored(sequence, "dispatch.in.0", {}, data, self.now()))
        self.arrival.set()
        self.arrival = asyncio.Event()

    def commit(self, data: bytes, expected: int) -> int:
        """Append to the journal if it ends as expected. Raises Conflict."""
        last = self.end()
        if last != expected:
            self.refused += 1
            raise Conflict
        sequence = last + self.dice.randint(1, 3)
        self.records.append(Stored(sequence, "dispatch.journal.0", {}, data, self.now()))
        return sequence

    def begin(self) -> int:
        return self.records[0].sequence if self.records else 0

    def end(self) -> int:
        return self.records[-1].sequence if self.records else 0

    def publish(self, event: Stored) -> None:
        if not self._repeated(event.headers["ce-id"]):
            self.events.append(event)
            self.heard(event)

    def write_lease(self, owner: str, expected: int) -> int:
        """Write if nobody has written since. Raises Conflict."""
        if self.lease[0] != expected:
            raise Conflict
        self.lease = (expected + 1, owner)
        return expected + 1

    def _repeated(self, message_id: str) -> bool:
        now = asyncio.get_running_loop().time()
        before = self._ids.get(message_id)
        if before is not None and now - before < WINDOW_S:
            return True
        self._ids[message_id] = now
        return False
