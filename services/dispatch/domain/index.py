"""Who can take what, found by looking at the heads of compatible lines only.

Agents are grouped by profile (queues, skills, channels), waiting tasks by signature (what they
ask, who must not get them). Every profile knows the signatures it can serve and the reverse, so
a match costs the number of compatible heads, not the number of agents or tasks. Lines are heaps
whose stale entries are dropped when they surface. A task that is kept for one agent stands in no
line, but with them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import heapify, heappush
from itertools import chain
from weakref import WeakValueDictionary

from .demand import Demand, Load, Room, merit, precedence, room_of, selections_of
from .inputs import QueueConfigured
from .parties import (
    LONGEST_IDLE,
    Agent,
    AgentEntry,
    Order,
    Profile,
    ProfileKey,
    Signature,
    SignatureKey,
    Task,
    TaskEntry,
    first_free,
    order_of,
    score,
)

_STALE_ENTRIES_KEPT = 64
_EMPTY_SIGNATURES_KEPT = 1024


class Index:
    """The lines of one tenant. Holds no truth: it can be rebuilt from agents and tasks."""

    def __init__(self) -> None:
        self._profiles: dict[ProfileKey, Profile] = {}
        self._signatures: dict[SignatureKey, Signature] = {}
        self._orders: dict[str, frozenset[Order]] = {}
        self._rooms: WeakValueDictionary[tuple[int, tuple[tuple[Load, int], ...]], Room] = (
            WeakValueDictionary()
        )
        self._kept: dict[str, Task] = {}
        self._paused: set[str] = set()
        self._counter = 0
        self._tidy_at = _EMPTY_SIGNATURES_KEPT

    def select(self, queue: QueueConfigured) -> None:
        """Set how a queue picks its agents. Its waiting tasks are to be placed anew."""
        queue_id = queue.queue_id
        for signature in self._empty():
            if signature.key[0].queue_id == queue_id:
                self._forget(signature)
        orders = frozenset(order_of(selection, queue_id) for selection in selections_of(queue))
        if self._orders.get(queue_id) == orders:
            return
        self._orders[queue_id] = orders
        for profile in self._profiles.values():
            if queue_id not in profile.queue_ids:
                continue
            profile.orders = self._orders_of(profile.queue_ids)
            profile.lines.clear()
            for agent in profile.agents.values():
                self._line_up(agent, profile)

    def pause(self, queue_id: str, *, paused: bool) -> None:
        """Have a queue served by nobody, or again by those who answer it."""
        if paused is (queue_id in self._paused):
            return
        self._paused ^= {queue_id}
        for signature in self._signatures.values():
            if signature.key[0].queue_id == queue_id:
                for profile in list(signature.profiles):
                    signature.part(profile)
                self._introduce(signature)

    # Agents

    def place_agent(self, agent: Agent) -> None:
        """Put an agent where their configuration, presence and load now belong."""
        profile = agent.profile
        key = (agent.config.queue_ids, agent.config.skills, agent.channels)
        if profile is None or profile.key != key:
            self.remove_agent(agent)
            profile = agent.profile = self._profile(key)
            profile.agents[agent.id] = agent
        self.line_up_agent(agent)

    def line_up_agent(self, agent: Agent) -> None:
        """Put an agent where their load now belongs; one who was never placed stands nowhere."""
        agent.stamp += 1
        agent.room = self._room(agent)
        if agent.profile is not None:
            self._line_up(agent, agent.profile)

    def remove_agent(self, agent: Agent) -> None:
        agent.stamp += 1
        profile, agent.profile = agent.profile, None
        if profile is None:
            return
        del profile.agents[agent.id]
        if not profile.agents:
            del self._profiles[profile.key]
            for same_load in profile.signatures.values():
                for signature in same_load.values():
                    del signature.profiles[profile]

    def best_agent(self, task: Task, agents: Mapping[str, Agent]) -> Agent | None:
        """Return the agent whom the queue's selection prefers, or None when nobody can.

        Who has refused the task comes after all others, the least recently asked first.
        """
        if task.keeper is not None:
            return task.keeper if self._suits(task.keeper, task) else None
        signature = task.signature
        if signature is None:
            return None
        best: tuple[tuple[int, int], AgentEntry] | None = None
        for profile, merit_ in signature.profiles.items():
            lines = profile.lines.get(signature.order)
            if not lines or (best is not None and best[0] < merit_):
                continue
            entry = first_free(lines, signature.load, task.refused)
            if entry is not None and (best is None or (merit_, entry) < best):
                best = merit_, entry
        if best is not None:
            return best[1][5]
        return _least_recently_asked(task, signature, agents) if task.refused else None

    def _room(self, agent: Agent) -> Room:
        key = (agent.capacity, tuple(sorted(agent.loads.items())))
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = room_of(*key)
        return room

    def _line_up(self, agent: Agent, profile: Profile) -> None:
        room = agent.room
        if room is None or not agent.receiving or room.capacity <= 0:
            return
        for order in profile.orders:
            lines = profile.lines.get(order)
            if lines is None:
                lines = profile.lines[order] = {}
            line = lines.get(room)
            if line is None:
                line = lines[room] = []
            elif len(line) > _STALE_ENTRIES_KEPT + 2 * len(profile.agents):
                line[:] = [entry for entry in line if entry[5].stamp == entry[4]]
                heapify(line)
            standing = (
                score(agent, order),
                agent.idle_since,
                agent.idle_order,
                agent.id,
                agent.stamp,
                agent,
            )
            heappush(line, standing)

    # Tasks

    def place_task(self, task: Task, demand: Demand, urgency: int, keeper: Agent | None) -> None:
        """Put a waiting task in its line, or with the one agent for whom it is kept."""
        submitted = task.submitted
        self._counter += 1
        entry = (-urgency, submitted.enqueued_at, submitted.task_id, self._counter, task)
        task.entry, task.demand, task.load = entry, demand, demand.load
        if keeper is not None:
            task.keeper = keeper
            keeper.kept[submitted.task_id] = self._kept[submitted.task_id] = task
            return
        signature = task.signature = self._signature((demand, task.excluded))
        task.demand = signature.key[0]
        task.load = task.demand.load
        signature.waiting += 1
        heappush(signature.line, entry)

    def remove_task(self, task: Task) -> None:
        """Take a task out of its line; harmless when it is in none."""
        if task.entry is None:
            return
        signature, task.signature, task.entry, task.demand = task.signature, None, None, None
        keeper, task.keeper = task.keeper, None
        if keeper is not None:
            del keeper.kept[task.submitted.task_id], self._kept[task.submitted.task_id]
        if signature is None:
            return
        signature.waiting -= 1
        if signature.waiting == 0:
            signature.line.clear()
            if signature.key[1]:
                self._forget(signature)

    def best_task(self, agent: Agent, at: int) -> Task | None:
        """Return the first task by urgency, then weighted age, that the agent can take now."""
        profile, room = agent.profile, agent.room
        if profile is None or room is None or not agent.receiving:
            return None
        best: TaskEntry | None = None
        for entry in self._heads(agent, profile, room):
            if best is None or _goes_before(entry, best, at):
                best = entry
        return None if best is None else best[4]

    def heads(self, queue_id: str) -> Iterator[Task]:
        """Walk the first task of every line of a queue."""
        for signature in self._signatures.values():
            if (
                signature.key[0].queue_id == queue_id
                and (task := signature.head_task()) is not None
            ):
                yield task

    def heads_for(self, agents: Collection[Agent]) -> Iterator[Task]:
        """Walk what is first in lines that some agents have room for, and what is kept for them."""
        lines = set[Signature]()
        for profile, room in {(agent.profile, agent.room) for agent in agents if agent.receiving}:
            if profile is not None and room is not None:
                for load, signatures in profile.signatures.items():
                    if room.fits(load):
                        lines.update(signatures.values())
        for line in lines:
            if (task := line.head_task()) is not None:
                yield task
        for agent in agents:
            yield from (task for task in agent.kept.values() if self._suits(agent, task))

    def has_room(self, agent: Agent) -> bool:
        """Tell whether an agent has room for anything that waits, or would if it did."""
        profile, room = agent.profile, agent.room
        if profile is None or room is None:
            return False
        loads = chain(profile.signatures, (task.load for task in agent.kept.values()))
        return any(room.fits(load) for load in loads)

    def waiting(self, queue_id: str) -> Iterator[tuple[Demand, Iterable[TaskEntry]]]:
        """Walk what the tasks of a queue ask, each time with those that ask it."""
        for signature in self._signatures.values():
            if signature.waiting and signature.key[0].queue_id == queue_id:
                yield signature.key[0], signature.entries()
        for task in self.kept(queue_id):
            if task.demand is not None and task.entry is not None:
                yield task.demand, (task.entry,)

    def kept(self, queue_id: str) -> Iterator[Task]:
        """Walk the tasks of a queue that are kept for somebody."""
        for task in self._kept.values():
            if task.submitted.queue_id == queue_id:
                yield task

    def _heads(self, agent: Agent, profile: Profile, room: Room) -> Iterator[TaskEntry]:
        for load, signatures in profile.signatures.items():
            if not room.fits(load):
                continue
            for signature in signatures.values():
                if signature.waiting and agent.id not in signature.key[1]:
                    entry = signature.head()
                    if entry is not None:
                        yield entry
        for task in agent.kept.values():
            if task.entry is not None and self._suits(agent, task):
                yield task.entry

    def _suits(self, agent: Agent, task: Task) -> bool:
        """Tell whether the agent for whom a task is kept can take it now."""
        return task.submitted.queue_id not in self._paused and _suits(agent, task)

    # Both sides know each other

    def _profile(self, key: ProfileKey) -> Profile:
        profile = self._profiles.get(key)
        if profile is None:
            queue_ids = frozenset(key[0])
            profile = Profile(key, queue_ids, dict(key[1]), self._orders_of(queue_ids))
            self._profiles[key] = profile
            for signature in self._signatures.values():
                self._link(profile, signature)
        return profile

    def _signature(self, key: SignatureKey) -> Signature:
        signature = self._signatures.get(key)
        if signature is None:
            self._tidy()
            order = order_of(key[0].selection, key[0].queue_id)
            signature = Signature(key, order)
            if key[1]:
                # Whom it must not reach is seen at each agent: who can serve it, is known.
                for profile, merit_ in self._signature((key[0], ())).profiles.items():
                    signature.meet(profile, merit_)
            else:
                self._introduce(signature)
            self._signatures[key] = signature
        return signature

    def _introduce(self, signature: Signature) -> None:
        for profile in self._profiles.values():
            self._link(profile, signature)

    def _link(self, profile: Profile, signature: Signature) -> None:
        demand = signature.key[0]
        if demand.queue_id not in self._paused and profile.serves(demand):
            signature.meet(profile, merit(profile.skills, demand))

    def _tidy(self) -> None:
        """Forget what nobody asks any more when that may be more than what somebody does."""
        if len(self._signatures) >= self._tidy_at:
            for signature in self._empty():
                self._forget(signature)
            self._tidy_at = _EMPTY_SIGNATURES_KEPT + 2 * len(self._signatures)

    def _empty(self) -> list[Signature]:
        return [one for one in self._signatures.values() if not one.waiting]

    def _forget(self, signature: Signature) -> None:
        del self._signatures[signature.key]
        for profile in list(signature.profiles):
            signature.part(profile)

    def _orders_of(self, queue_ids: frozenset[str]) -> tuple[Order, ...]:
        usual = frozenset((LONGEST_IDLE,))
        every = (self._orders.get(queue_id, usual) for queue_id in queue_ids)
        return tuple(sorted(frozenset[Order]().union(*every)))


def _suits(agent: Agent, task: Task) -> bool:
    """Tell whether an agent can take one task now."""
    profile, room, demand = agent.profile, agent.room, task.demand
    return (
        profile is not None
        and room is not None
        and demand is not None
        and agent.receiving
        and agent.id not in task.excluded
        and profile.serves(demand)
        and room.fits(demand.load)
    )


def _goes_before(one: TaskEntry, other: TaskEntry, at: int) -> bool:
    """Tell which of two heads is first. Where weights are equal, age alone says it."""
    if one[0] != other[0]:
        return one[0] < other[0]
    weight, others_weight = _weight(one), _weight(other)
    if weight == others_weight:
        return one < other
    return precedence(-one[0], weight, one[4].submitted, at) < precedence(
        -other[0], others_weight, other[4].submitted, at
    )


def _weight(entry: TaskEntry) -> int:
    demand = entry[4].demand
    return 1 if demand is None else demand.weight


def _least_recently_asked(
    task: Task, signature: Signature, agents: Mapping[str, Agent]
) -> Agent | None:
    """Return whom to ask again of those who are known to have refused a task and may get it."""
    excluded = set(task.excluded)
    free = [
        (
            refused_at,
            signature.profiles[agent.profile],
            score(agent, signature.order),
            agent.idle_since,
            agent.idle_order,
            agent.id,
        )
        for agent_id, refused_at in task.refused.items()
        if agent_id not in excluded
        and (agent := agents[agent_id]).profile in signature.profiles
        and _suits(agent, task)
    ]
    return agents[min(free)[5]] if free else None
