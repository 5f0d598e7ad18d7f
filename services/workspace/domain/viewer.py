"""Who sees which card."""

from dataclasses import dataclass, field
from enum import IntEnum

from .card import Standing


class Role(IntEnum):
    """Rank of a user, lowest first. The numbers are those of the public contract."""

    NONE = 0
    AGENT = 1
    SUPERVISOR = 2
    MANAGER = 3
    ADMINISTRATOR = 4
    OWNER = 5


@dataclass(frozen=True, slots=True)
class Viewer:
    """One user with what decides their view. `version` 0: the directory has not spoken of them.

    `position` is where our stream has it, 0 for nowhere.
    """

    tenant_id: str
    user_id: str
    role: Role = Role.NONE
    queue_ids: frozenset[str] = frozenset()
    version: int = 0
    position: int = field(default=0, compare=False)

    @property
    def sees_every_queue(self) -> bool:
        """Managers and above see the unassigned of the whole tenant."""
        return self.role >= Role.MANAGER

    def sees(self, standing: Standing) -> bool:
        """Their own work, and what nobody holds in their queues."""
        if standing.unassigned and (self.sees_every_queue or standing.queue_id in self.queue_ids):
            return True
        return standing.somebodys and self.user_id in standing.agent_ids
