"""How many agents receive work, by queue."""

from collections import Counter

from .parties import Agent


class Staff:
    """Counts of one tenant. Holds no truth: it can be made anew from the agents."""

    def __init__(self) -> None:
        self._there: Counter[str] = Counter()
        self._queues: dict[str, tuple[str, ...]] = {}

    def of(self, queue_id: str) -> int:
        return self._there[queue_id]

    def place(self, agent: Agent) -> None:
        """Count an agent where their configuration and presence now belong."""
        for queue_id in self._queues.pop(agent.id, ()):
            self._there[queue_id] -= 1
        if agent.receiving:
            self._queues[agent.id] = agent.config.queue_ids
            self._there.update(agent.config.queue_ids)
