"""What the use cases need from the outside, and the values that cross."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.dispatch.domain.configuration import Configuration
from services.dispatch.domain.decisions import Answered, Decision
from services.dispatch.domain.inputs import Command, Fact
from services.dispatch.domain.state import State

Shard = int

Millis = Callable[[], int]
"""The wall clock: milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One input in the log, with the moment the log took it. No input: unreadable bytes."""

    sequence: int
    at: int
    input: Fact | Command | None


@dataclass(frozen=True, slots=True)
class Step:
    """One input, or one timer (sequence 0), and what was decided on it."""

    input_sequence: int
    at: int
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One append to the journal."""

    position: "Position"
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a shard is: folded up to `sequence` of the journal, `cursor` of the input log.

    Events and answers are known to be out up to `emitted` of the journal.
    """

    sequence: int = 0
    cursor: int = 0
    chain: bytes = b""
    emitted: int = 0
    strays: tuple[bytes, ...] = field(default=(), compare=False, repr=False)
    """What the last foreign records on the way said that they were: see Torn. Never saved."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a shard as it was once; of one that was never saved, its first."""

    state: State
    position: Position
    newest: bool
    """No newer one is there that cannot be read."""


class Fenced(Exception):
    """Somebody else has appended: this process no longer leads the shard."""


class Unknown(Exception):
    """No answer from the bus: what was sent may have happened or not."""


class TooLarge(Exception):
    """One record cannot hold so many steps; nothing was sent."""


class Newer(Exception):
    """The journal goes on with what this version cannot read, so it must not lead."""


class Torn(Exception):
    """The journal does not go on from there: something between is lost, or was changed."""


class SnapshotLost(Exception):
    """The last snapshot cannot be read, and what is kept does not lead from an older one to it."""


class InputLog(Protocol):
    """dispatch.in.<shard>: everything that concerns the routing of its tenants, in order."""

    def follow(self, shard: Shard, after: int) -> AsyncGenerator[list[Entry], None]:
        """Yield what comes after a sequence, for ever."""
        ...


class Intake(Protocol):
    """The way into the input log."""

    async def append(self, it: Fact | Command, dedup_id: str) -> None:
        """Take an input in, durably; the same id again soon is the same input. Raises Unknown."""
        ...


class Journal(Protocol):
    """dispatch.journal.<shard>: what was decided, one writer at a time."""

    def read(self, shard: Shard, after: Position) -> AsyncGenerator[list[Record], None]:
        """Yield every record after a position, up to the last there is. Raises Newer, Torn.

        Of what is not of this journal only its sequence is told, in a record without steps.
        """
        ...

    def untold(self, shard: Shard, position: Position) -> AsyncGenerator[list[Record], None]:
        """Yield the records up to a position of which is not known that their events are out."""
        ...

    async def begin(self, shard: Shard) -> int:
        """Return the sequence of the first record, 0 when none is kept any more."""
        ...

    async def end(self, shard: Shard) -> int:
        """Return the sequence of the last record, 0 when none is kept any more."""
        ...

    async def append(  # noqa: PLR0913 - the fields of a record
        self,
        shard: Shard,
        cursor: int,
        steps: Sequence[Step],
        *,
        since: Position,
        emitted: int,
        goes_on: bool,
    ) -> Position:
        """Commit steps as one record, if none of this journal is behind `since`.

        `goes_on`: what was decided at once needs more of them. Raises Fenced, Unknown, TooLarge.
        """
        ...


class Snapshots(Protocol):
    async def load(self, shard: Shard) -> Snapshot:
        """Return the last that can be read. Raises Unknown."""
        ...

    def save(self, shard: Shard, state: State, position: Position) -> Coroutine[Any, Any, None]:
        """Save the state as it is at the moment of the call. Awaiting raises Unknown."""
        ...


class Outlet(Protocol):
    """Where the committed decisions of one shard become events and answers."""

    @property
    def emitted(self) -> int:
        """Journal sequence up to which everything is known to be out."""
        ...

    async def emit(self, record: int, steps: Sequence[Step]) -> None:
        """Send in order, each until it is taken; waits only while too much is on its way."""
        ...

    async def flushed(self) -> None:
        """Wait until everything is out."""
        ...


class Outlets(Protocol):
    def open(self, shard: Shard, emitted: int) -> AbstractAsyncContextManager[Outlet]: ...


class Lease(Protocol):
    """The right to lead a shard, as far as anybody knows."""

    def holds(self) -> bool: ...

    @property
    def successor(self) -> str:
        """Who stands ready to lead instead: time to stop. Empty: nobody."""
        ...


WarmUp = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]
"""Makes ready to lead, for ever; calls its argument whenever it is."""


class Leases(Protocol):
    """Who leads a shard. Only saves work: the journal is what makes two leaders harmless."""

    def held(self, shard: Shard, warm_up: WarmUp) -> AbstractAsyncContextManager[Lease]:
        """Wait for the lease, hold it while the context lasts.

        Who leads before may announce that it will be ours: then we warm up while they go on.
        """
        ...


@dataclass(frozen=True, slots=True)
class Leadership:
    """Who leads a shard now, and who is about to; empty: nobody."""

    owner_id: str = ""
    successor_id: str = ""


class Leaders(Protocol):
    """Who leads what, in the whole installation."""

    def leaders(self) -> Mapping[Shard, Leadership]: ...


class Awaited(Protocol):
    """The answer to one command."""

    @property
    def reply_to(self) -> str: ...

    async def within(self, seconds: float) -> Answered | None:
        """Return the outcome, or None when none came in time."""
        ...


class Directory(Protocol):
    def configuration(self, shard: Shard) -> AsyncGenerator[list[Configuration], None]:
        """Yield, a few at a time, what it says of a shard, to be told again. Raises Unknown."""
        ...

    async def tell_news(self, tenant_id: str) -> bool:
        """Have the router hear what it has said of a tenant just now; False: nothing."""
        ...


class Replies(Protocol):
    """Where this process awaits the answers to its commands."""

    def expect(self) -> AbstractContextManager[Awaited]: ...


Checkpoint = Callable[[str], None]
"""Told between any two steps of the loop; tests crash or pause there."""


def passed(_: str) -> None:
    """Go on: nothing happens between two steps."""


Duty = Callable[[Shard, State], AbstractAsyncContextManager[None]]
"""What a leader does beside its loop, as long as it leads. It looks at the state, and no more."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a leader needs."""

    inputs: InputLog
    journal: Journal
    snapshots: Snapshots
    outlets: Outlets
    leases: Leases
    clock: Millis
    checkpoint: Checkpoint = passed
    duties: Sequence[Duty] = ()
