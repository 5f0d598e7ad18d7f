"""What comes by itself: moments that the state names, and the input each of them becomes.

A timer is never cancelled. It is asked for its moment again when it surfaces, and dropped when
the state no longer names the one it was set for. So timers hold no truth: they can be made anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush


@dataclass(frozen=True, slots=True, order=True)
class OfferRangOut:
    """The offer's deadline has passed."""

    tenant_id: str
    task_id: str


@dataclass(frozen=True, slots=True, order=True)
class WaitedTooLong:
    """A task has waited as long as its queue lets it."""

    tenant_id: str
    task_id: str


@dataclass(frozen=True, slots=True, order=True)
class WideningDue:
    """More agents may get a waiting task from now on."""

    tenant_id: str
    task_id: str


@dataclass(frozen=True, slots=True, order=True)
class AskAgainDue:
    """The pause of one of those who refused a waiting task is over."""

    tenant_id: str
    task_id: str


@dataclass(frozen=True, slots=True, order=True)
class AfterServiceRanOut:
    """The limit of an after-service is reached."""

    tenant_id: str
    task_id: str


@dataclass(frozen=True, slots=True, order=True)
class HoursTurn:
    """A queue opens or closes."""

    tenant_id: str
    queue_id: str


Timer = OfferRangOut | WaitedTooLong | WideningDue | AskAgainDue | AfterServiceRanOut | HoursTurn
"""What comes by itself, at a moment that the state names. Its rule must move that moment."""

_Entry = tuple[int, str, Timer]
"""Least first: due at, kind, timer. Of the same moment, content decides: never the way there."""

_STALE_ENTRIES_KEPT = 1024


class Timers:
    """All timers of a shard. `due_at` tells the moment of a timer, 0 when it has none."""

    def __init__(self, due_at: Callable[[Timer], int]) -> None:
        self._due_at = due_at
        self._heap: list[_Entry] = []
        self._alive = 0

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, it: Timer, due_at: int) -> None:
        """Wait for the moment that the state names for a timer; 0: it names none."""
        if due_at:
            heappush(self._heap, (due_at, type(it).__name__, it))
            self._tidy()

    def next(self) -> tuple[int, Timer] | None:
        """Return the earliest moment still named, and what to decide on when it has passed."""
        heap = self._heap
        while heap:
            due_at, _, it = heap[0]
            if self._due_at(it) == due_at:
                return due_at, it
            heappop(heap)
        return None

    def _tidy(self) -> None:
        """Drop what is stale when it may be more than what is not."""
        heap = self._heap
        if len(heap) > _STALE_ENTRIES_KEPT + 2 * self._alive:
            heap[:] = [entry for entry in heap if self._due_at(entry[2]) == entry[0]]
            heapify(heap)
            self._alive = len(heap)
