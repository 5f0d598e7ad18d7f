"""Who waits in each queue, in the queue's own order."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice

from .parties import Task

_Place = tuple[int, int, str]
"""Least first: minus urgency, enqueued at, task id."""

_BLOCK = 512


class Line:
    """A sorted list in blocks, so that neither its head nor a rank costs its length.

    Mostly who comes is the last and who leaves the first: these are not searched for.
    """

    def __init__(self) -> None:
        self._blocks: list[list[_Place]] = [[]]
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[_Place]:
        for block in self._blocks:
            yield from block

    def add(self, place: _Place) -> None:
        number = len(self._blocks) - 1
        block = self._blocks[number]
        if not block or block[-1] < place:
            block.append(place)
        else:
            number = self._block_of(place)
            block = self._blocks[number]
            insort(block, place)
        self._length += 1
        if len(block) > 2 * _BLOCK:
            self._blocks[number : number + 1] = [block[:_BLOCK], block[_BLOCK:]]

    def remove(self, place: _Place) -> None:
        number, block = 0, self._blocks[0]
        if block[0] == place:
            del block[0]
        else:
            number = self._block_of(place)
            block = self._blocks[number]
            del block[bisect_left(block, place)]
        self._length -= 1
        if not block and len(self._blocks) > 1:
            del self._blocks[number]

    def ends(self) -> tuple[str, str]:
        """Return the first task and the last, which may be the same; empty: there is none."""
        if not self._length:
            return "", ""
        return self._blocks[0][0][2], self._blocks[-1][-1][2]

    def rank(self, place: _Place) -> int:
        """Return how many come before, plus one."""
        if self._blocks[-1][-1] == place:
            return self._length
        number = self._block_of(place)
        before = sum(map(len, self._blocks[:number]))
        return before + bisect_left(self._blocks[number], place) + 1

    def _block_of(self, place: _Place) -> int:
        """Return the first block that ends at or after a place, or the last."""
        blocks = self._blocks
        low, high = 0, len(blocks) - 1
        while low < high:
            middle = (low + high) // 2
            if blocks[middle][-1] < place:
                low = middle + 1
            else:
                high = middle
        return low


class Lines:
    """The lines of one tenant. Holds no truth: they can be made anew from the tasks."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._places: dict[str, tuple[Line, _Place]] = {}

    def add(self, task: Task, urgency: int) -> None:
        submitted = task.submitted
        line = self._lines.get(submitted.queue_id)
        if line is None:
            line = self._lines[submitted.queue_id] = Line()
        place = (-urgency, submitted.enqueued_at, submitted.task_id)
        self._places[submitted.task_id] = line, place
        line.add(place)

    def remove(self, task: Task) -> None:
        """Take a task out of the line it is in."""
        line, place = self._places.pop(task.submitted.task_id)
        line.remove(place)

    def length(self, queue_id: str) -> int:
        line = self._lines.get(queue_id)
        return 0 if line is None else len(line)

    def ends(self, queue_id: str) -> tuple[str, str]:
        """Return who is first in a queue's line and who is last; empty: nobody waits."""
        line = self._lines.get(queue_id)
        return ("", "") if line is None else line.ends()

    def heads(self) -> Iterator[int]:
        """Yield since when the first of each line waits."""
        for line in self._lines.values():
            for _, enqueued_at, _ in islice(line, 1):
                yield enqueued_at

    def rank(self, task_id: str) -> int:
        """Return the place of a task in its line, from 1; 0 when it is in none."""
        found = self._places.get(task_id)
        return 0 if found is None else found[0].rank(found[1])

    def waiting(self, queue_id: str) -> list[str]:
        """List the tasks of a queue, first first."""
        return [task_id for _, _, task_id in self._lines.get(queue_id, ())]
