"""Who is there for a task: receives new work, and could take it if they had nothing else.

Who is busy is there. Agents who can take the same are counted together.
"""

from collections import Counter

from .demand import Demand, has, has_room
from .inputs import Skills
from .parties import Agent

_Ability = tuple[Skills, tuple[int, ...], int]
"""Skills, channels, capacity."""


class Staff:
    """Counts of one tenant. Holds no truth: it can be made anew from the agents."""

    def __init__(self) -> None:
        self._there: dict[str, Counter[_Ability]] = {}
        self._placed: dict[str, tuple[tuple[str, ...], _Ability]] = {}

    def of(self, queue_id: str) -> int:
        """Return how many of a queue are there for anything at all."""
        return sum(self._there.get(queue_id, {}).values())

    def has_anybody_for(self, demand: Demand) -> bool:
        """Tell whether somebody is there for what is asked."""
        return any(_could_take(one, demand) for one in self._there.get(demand.queue_id, ()))

    def place(self, agent: Agent) -> None:
        """Count an agent where their configuration and presence now belong."""
        if before := self._placed.pop(agent.id, None):
            self._take_out(*before)
        if agent.receiving and agent.capacity and agent.channels:
            ability = (agent.config.skills, agent.channels, agent.capacity)
            self._placed[agent.id] = agent.config.queue_ids, ability
            for queue_id in agent.config.queue_ids:
                self._there.setdefault(queue_id, Counter())[ability] += 1

    def _take_out(self, queue_ids: tuple[str, ...], ability: _Ability) -> None:
        for queue_id in queue_ids:
            there = self._there[queue_id]
            there[ability] -= 1
            if not there[ability]:
                del there[ability]


def _could_take(ability: _Ability, demand: Demand) -> bool:
    skills, channels, capacity = ability
    return (
        demand.load.channel in channels
        and has_room(capacity, (), demand.load)
        and has(dict(skills), demand.needs)
    )
