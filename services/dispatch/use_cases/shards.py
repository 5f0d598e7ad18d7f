"""Who leads which shard, and how far each has got."""

from dataclasses import dataclass

from services.dispatch.domain.errors import Unanswered

from .ports import Journal, Leaders, Leadership, Shard, Unknown


@dataclass(frozen=True, slots=True)
class Progress:
    shard: Shard
    leadership: Leadership
    journal_sequence: int
    """The last record; 0: nothing was decided yet."""


class ListShards:
    def __init__(self, leaders: Leaders, journal: Journal) -> None:
        self._leaders = leaders
        self._journal = journal

    async def __call__(self) -> list[Progress]:
        """Return all shards by number. Raises Unanswered."""
        try:
            return [
                Progress(shard, leadership, await self._journal.end(shard))
                for shard, leadership in sorted(self._leaders.leaders().items())
            ]
        except Unknown as silence:
            raise Unanswered from silence
