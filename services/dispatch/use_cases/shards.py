"""Who leads which shard, and how far each has got."""

from collections.abc import Callable
from dataclasses import dataclass

from services.dispatch.domain.errors import Unanswered

from .ports import Journal, Leaders, Leadership, Shard, Unknown

NOBODY = Leadership()


@dataclass(frozen=True, slots=True)
class Progress:
    shard: Shard
    led: bool
    leadership: Leadership = NOBODY
    journal_sequence: int = 0
    """The last record; 0: nothing was decided yet."""


class ListShards:
    def __init__(
        self, leaders: Leaders, journal: Journal, shard_of: Callable[[str], Shard]
    ) -> None:
        self._leaders = leaders
        self._journal = journal
        self._shard_of = shard_of

    async def __call__(self, tenant_id: str = "") -> list[Progress]:
        """Return all shards by number, to operations. Raises Unanswered.

        A tenant is told whether their own is led: who shares the installation, on what and how
        much is going on there, is not their business.
        """
        leaders = self._leaders.leaders()
        if tenant_id:
            own = self._shard_of(tenant_id)
            return [Progress(own, bool(leaders.get(own, NOBODY).owner_id))]
        try:
            return [
                Progress(shard, bool(it.owner_id), it, await self._journal.end(shard))
                for shard, it in sorted(leaders.items())
            ]
        except Unknown as silence:
            raise Unanswered from silence
