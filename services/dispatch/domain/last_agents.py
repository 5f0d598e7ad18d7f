"""Who held each contact's last task. Bounded: what is oldest is forgotten first."""

from collections import OrderedDict
from collections.abc import Iterator

CONTACTS_KEPT = 50_000
KEPT_MS = 90 * 24 * 3_600_000
"""No queue looks back further."""


class LastAgents:
    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def remember(self, contact_id: str, agent_id: str, at: int) -> None:
        held = self._held
        held.pop(contact_id, None)
        held[contact_id] = agent_id, at
        while True:
            oldest = next(iter(held))
            if len(held) <= CONTACTS_KEPT and held[oldest][1] > at - KEPT_MS:
                break
            del held[oldest]

    def forget(self, agent_id: str) -> None:
        """Who is gone held nothing: the next one of the same id is somebody else."""
        theirs = [it for it, (holder_id, _) in self._held.items() if holder_id == agent_id]
        for contact_id in theirs:
            del self._held[contact_id]

    def of(self, contact_id: str, *, since: int) -> str:
        """Return who held the contact's last task, if that was after `since`."""
        agent_id, at = self._held.get(contact_id, ("", 0))
        return agent_id if at > since else ""

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Walk contact, agent and moment, oldest first."""
        for contact_id, (agent_id, at) in self._held.items():
            yield contact_id, agent_id, at
