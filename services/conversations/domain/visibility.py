"""Who may know that a conversation exists."""

from dataclasses import dataclass
from enum import IntEnum

from .conversation import Conversation


class Rank(IntEnum):
    """Roles, lowest first; each may see what the one before sees."""

    NOBODY = 0
    AGENT = 1
    SUPERVISOR = 2
    MANAGER = 3
    ADMINISTRATOR = 4
    OWNER = 5


@dataclass(frozen=True, slots=True)
class Viewer:
    tenant_id: str
    user_id: str
    rank: Rank
    queue_ids: frozenset[str] = frozenset()

    def sees(self, it: Conversation) -> bool:
        """Tell whether they may know it.

        An agent sees their own and what waits in their queues, a supervisor all of these queues,
        a manager and above the whole tenant.
        """
        if it.lane.tenant_id != self.tenant_id:
            return False
        if self.rank >= Rank.MANAGER or (self.user_id and it.assignee_id == self.user_id):
            return True
        if it.queue_id not in self.queue_ids:
            return False
        waits = not it.assignee_id and it.closed is None
        return self.rank >= Rank.SUPERVISOR or (self.rank >= Rank.AGENT and waits)

    def may_close(self, it: Conversation) -> bool:
        """Tell whether they may end it: the assignee, and a supervisor who sees it."""
        supervises = self.rank >= Rank.SUPERVISOR and self.sees(it)
        return it.assignee_id == self.user_id or supervises
