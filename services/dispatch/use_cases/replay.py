"""Decide a recorded log once more, and say where it comes out differently.

The same inputs, timers and moments must lead to the same decisions: that is what makes the
journal evidence, and an engine safe to change. Pure: what was recorded comes as values, in the
order in which it was written.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from services.dispatch.domain.decisions import Decision
from services.dispatch.domain.engine import step
from services.dispatch.domain.inputs import Input
from services.dispatch.domain.state import State

from .ports import Entry, Position, Record, Step

Chained = Callable[[int, Sequence[Step], bytes], bytes]
"""The hash after a record: of its cursor, its steps, and the hash before."""


class Cause(StrEnum):
    """In what a recording and its repetition differ."""

    DECIDED_OTHERWISE = "the engine decides otherwise"
    PASSED_OVER = "an input that led to nothing now leads to something"
    TIMER_NOT_DUE = "a timer is recorded that is not due"
    TIMER_MISSED = "a timer was due before this input and is not recorded"
    INPUT_MISSING = "the input of this step is not in the recording"
    UNREADABLE = "the record cannot be read"
    BROKEN_CHAIN = "its hash is not that of its steps: the record, or one before, was changed"
    NO_BEGINNING = "the recording does not begin with the shard: begin with a snapshot"


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place where recorded and decided part. `input_sequence` 0: a timer."""

    record: int
    cause: Cause
    input_sequence: int = 0
    input: Input | None = None
    at: int = 0
    decided: tuple[Decision, ...] = ()
    recorded: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of which the bytes are none."""

    sequence: int


class Replay:
    """Follows a recording from a state on; `position` is how far it has been found true."""

    def __init__(self, chained: Chained, state: State, position: Position) -> None:
        self.position = position
        self.inputs = self.records = self.steps = 0
        self._chained = chained
        self._state = state
        self._pending: deque[Entry] = deque()

    def take(self, it: Entry | Record | Unreadable) -> Divergence | None:
        """Go on by one input or record. After a divergence the rest would mean nothing."""
        if isinstance(it, Entry):
            self._pending.append(it)
            return None
        if isinstance(it, Unreadable):
            return Divergence(it.sequence, Cause.UNREADABLE)
        return self._record(it)

    def _record(self, it: Record) -> Divergence | None:
        chain = it.position.chain
        divergence = self._decide(it)
        if divergence is None and self._hash(it) == chain:
            self.position = it.position
            self.records += 1
            self.steps += len(it.steps)
            return None
        if self._hash(it) == chain:
            return divergence
        begins = not self.records and not self.position.sequence
        cause = Cause.NO_BEGINNING if begins else Cause.BROKEN_CHAIN
        return replace(divergence or Divergence(it.position.sequence, cause), cause=cause)

    def _hash(self, it: Record) -> bytes:
        """Hash what is recorded; when that was decided again, what was decided."""
        return self._chained(it.position.cursor, it.steps, self.position.chain)

    def _decide(self, it: Record) -> Divergence | None:
        for made in it.steps:
            divergence = self._step(it, made)
            if divergence is not None:
                return divergence
        return self._passed_over(it, it.position.cursor + 1)

    def _step(self, record: Record, made: Step) -> Divergence | None:
        number = record.position.sequence
        sequence = made.input_sequence
        timer = self._state.next_timer()
        if sequence == 0:
            if timer is None or timer[0] > made.at:
                return Divergence(number, Cause.TIMER_NOT_DUE, at=made.at, recorded=made.decisions)
            it: Input = timer[1]
        else:
            divergence = self._passed_over(record, sequence)
            if divergence is not None:
                return divergence
            entry = self._pending.popleft() if self._pending else None
            if entry is None or entry.sequence != sequence or entry.input is None:
                return Divergence(number, Cause.INPUT_MISSING, sequence, recorded=made.decisions)
            self.inputs += 1
            it = entry.input
            if timer is not None and timer[0] <= entry.at:
                return Divergence(number, Cause.TIMER_MISSED, sequence, it, made.at)
        decided = tuple(step(self._state, it, made.at))
        if decided != made.decisions:
            return Divergence(
                number, Cause.DECIDED_OTHERWISE, sequence, it, made.at, decided, made.decisions
            )
        return None

    def _passed_over(self, record: Record, before: int) -> Divergence | None:
        """Decide on the inputs of which no step tells: they must lead to nothing."""
        pending = self._pending
        while pending and pending[0].sequence < before:
            entry = pending.popleft()
            self.inputs += 1
            if entry.input is None:
                continue
            at = max(entry.at, self._state.at)
            decided = tuple(step(self._state, entry.input, at))
            if decided:
                return Divergence(
                    record.position.sequence,
                    Cause.PASSED_OVER,
                    entry.sequence,
                    entry.input,
                    at,
                    decided,
                )
        return None
