"""Who is there for a task: receives new work, and could take it if they had nothing else.

Who is busy is there. Agents who can take the same are counted together, and who was found for
what is asked is remembered until they are gone: most who come and go change no answer.
"""

from collections import Counter

from .demand import Demand, Load, has, has_room
from .inputs import Skills
from .parties import Agent
from .value import value

_ANSWERS_KEPT = 4096


@value
class Ability:
    """What some agents can take: skills, channels, capacity."""

    skills: Skills
    channels: tuple[int, ...]
    capacity: int


Place = tuple[tuple[str, ...], Ability]
"""Where somebody is there, and for what."""

_Asked = tuple[Skills, Load]


class _Queue:
    """Who is there for one queue, and what was found out about them."""

    def __init__(self) -> None:
        self.there: Counter[Ability] = Counter()
        self._found: dict[_Asked, Ability] = {}
        self._nobody: set[_Asked] = set()

    def has_anybody_for(self, asked: _Asked) -> bool:
        if self._found.get(asked) in self.there:
            return True
        if asked in self._nobody:
            return False
        able = next((one for one in self.there if _could_take(one, asked)), None)
        if len(self._found) + len(self._nobody) >= _ANSWERS_KEPT:
            self._found.clear()
            self._nobody.clear()
        if able is None:
            self._found.pop(asked, None)
            self._nobody.add(asked)
        else:
            self._found[asked] = able
        return able is not None

    def add(self, ability: Ability) -> None:
        if ability not in self.there:
            self._nobody -= {asked for asked in self._nobody if _could_take(ability, asked)}
        self.there[ability] += 1

    def remove(self, ability: Ability) -> None:
        self.there[ability] -= 1
        if not self.there[ability]:
            del self.there[ability]


class Staff:
    """Counts of one tenant. Holds no truth: it can be made anew from the agents."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._places: dict[str, Place] = {}

    def of(self, queue_id: str) -> int:
        """Return how many of a queue are there for anything at all."""
        queue = self._queues.get(queue_id)
        return 0 if queue is None else queue.there.total()

    def has_anybody_for(self, demand: Demand) -> bool:
        """Tell whether somebody is there for what is asked, perhaps when it asks for less."""
        queue = self._queues.get(demand.queue_id)
        return queue is not None and queue.has_anybody_for((demand.least, demand.load))

    def place_of(self, agent_id: str) -> Place | None:
        """Return where an agent is counted; None: they are not there."""
        return self._places.get(agent_id)

    def without(self, place: Place | None) -> list[str]:
        """List the queues of a place in which nobody is left who can take the same."""
        queue_ids, ability = place or ((), None)
        return [queue_id for queue_id in queue_ids if ability not in self._queues[queue_id].there]

    def place(self, agent: Agent) -> None:
        """Count an agent where their configuration and presence now belong."""
        before, now = self._places.pop(agent.id, None), _place(agent)
        if now is not None:
            self._places[agent.id] = now
        if before == now:
            return
        if before is not None:
            queue_ids, ability = before
            for queue_id in queue_ids:
                self._queues[queue_id].remove(ability)
        if now is not None:
            queue_ids, ability = now
            for queue_id in queue_ids:
                self._queues.setdefault(queue_id, _Queue()).add(ability)


def _place(agent: Agent) -> Place | None:
    if not (agent.receiving and agent.capacity and agent.channels):
        return None
    return agent.config.queue_ids, Ability(agent.config.skills, agent.channels, agent.capacity)


def _could_take(ability: Ability, asked: _Asked) -> bool:
    needs, load = asked
    return (
        load.channel in ability.channels
        and has_room(ability.capacity, (), load)
        and has(dict(ability.skills), needs)
    )
