"""Which trace an input belongs to, from the log to the events that it leads to.

The rules know nothing of it, and no record holds it: what is told again after a restart is told
without.
"""

from collections import OrderedDict

from services.dispatch.use_cases.ports import Shard

REMEMBERED = 4096


class Traces:
    """The traceparent of the last inputs, by their place in the log."""

    def __init__(self) -> None:
        self._parents: OrderedDict[tuple[Shard, int], str] = OrderedDict()

    def note(self, shard: Shard, sequence: int, parent: str) -> None:
        self._parents[shard, sequence] = parent
        if len(self._parents) > REMEMBERED:
            self._parents.popitem(last=False)

    def of(self, shard: Shard, sequence: int) -> str | None:
        return self._parents.get((shard, sequence))
