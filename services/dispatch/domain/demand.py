"""What a waiting task asks of whoever gets it, and how much an agent has room for.

A demand is made of what the task says and what its queue says now; only what a task takes is
fixed from the moment it rings until it is over.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .inputs import (
    AgentConfigured,
    AgentSelection,
    Channel,
    ChannelRouting,
    PresenceObserved,
    QueueConfigured,
    Skills,
    TaskSelection,
    TaskSubmitted,
)

WHOLE = 1_000_000
"""The share of an agent who has no capacity left."""

_ALL_CHANNELS = tuple(int(channel) for channel in Channel)
_UNSAID = {
    Channel.CHAT: ChannelRouting(Channel.CHAT),
    Channel.CALL: ChannelRouting(Channel.CALL, takes_all=True),
    Channel.VOICEMAIL: ChannelRouting(Channel.VOICEMAIL),
}


class Load(NamedTuple):
    """What one task takes of an agent."""

    channel: int
    cost: int
    takes_all: bool = False
    interrupts: tuple[int, ...] = ()


NO_LOAD = Load(Channel.CHAT, 1)


class Demand(NamedTuple):
    """What a task asks, and how its queue picks among those who have it."""

    queue_id: str
    selection: AgentSelection
    weight: int
    needs: Skills
    wishes: Skills
    load: Load
    least: Skills
    """What it needs when it has come to ask for less and can ask for no less."""


class Precedence(NamedTuple):
    """Which of two waiting tasks goes first: the lesser."""

    minus_urgency: int
    minus_wait: int
    """Milliseconds, times the weight of the queue."""
    enqueued_at: int
    task_id: str


@dataclass(slots=True, eq=False, weakref_slot=True)
class Room:
    """A capacity, and what is on it: each load and how many tasks of it."""

    capacity: int
    loads: tuple[tuple[Load, int], ...]
    share: int
    _known: dict[Load, bool] = field(default_factory=dict)

    def fits(self, load: Load) -> bool:
        """Tell whether one more task has room here."""
        fits = self._known.get(load)
        if fits is None:
            fits = self._known[load] = has_room(self.capacity, self.loads, load)
        return fits


def has_room(capacity: int, loads: Iterable[tuple[Load, int]], load: Load) -> bool:
    """Tell whether one more task has room beside all that it may not interrupt.

    Capacity counts chats. What is none costs at most all of it, so that who has nothing else in
    hand can take a call whatever it costs: also who takes no chats, and has one unit.
    """
    used = 0
    for other, count in loads:
        if not count or other.channel in load.interrupts:
            continue
        if load.takes_all or other.takes_all:
            return False
        used += other.cost * count
    cost = load.cost if load.channel == Channel.CHAT else min(load.cost, capacity)
    return capacity > 0 and (load.takes_all or used + cost <= capacity)


def room_of(capacity: int, loads: tuple[tuple[Load, int], ...]) -> Room:
    """Make the room that these loads leave."""
    used = sum(load.cost * count for load, count in loads)
    whole = used >= capacity or any(load.takes_all for load, _ in loads)
    return Room(capacity, loads, WHOLE if whole else used * WHOLE // capacity)


def routing_of(queue: QueueConfigured, channel: Channel) -> ChannelRouting:
    """Return what the queue says of a channel; unsaid, a call takes all and others cost one."""
    for routing in queue.channels:
        if routing.channel is channel:
            return routing
    return _UNSAID[channel]


def selections_of(queue: QueueConfigured) -> set[AgentSelection]:
    """Return every way in which the queue may pick an agent."""
    said = {routing.agent_selection for routing in queue.channels}
    return {queue.agent_selection, *(one for one in said if one is not None)}


def demand_of(task: TaskSubmitted, queue: QueueConfigured, relaxed: int) -> Demand:
    """Say what a task asks after so many steps of its queue's relaxation."""
    routing = routing_of(queue, task.channel)
    interrupts = tuple(sorted(map(int, routing.interrupts))) if routing.interrupts else ()
    load = Load(int(task.channel), task.cost or routing.cost, routing.takes_all, interrupts)
    needs = _both(queue.skills, task.skills)
    return Demand(
        task.queue_id,
        routing.agent_selection or queue.agent_selection,
        queue.weight,
        _relaxed(needs, queue, relaxed),
        _both(queue.wishes, task.wishes),
        load,
        _relaxed(needs, queue, len(queue.relaxations)),
    )


def steps_due(queue: QueueConfigured, enqueued_at: int, at: int) -> int:
    """Count the steps of relaxation that a task has come to."""
    steps = 0
    for step in queue.relaxations:
        if enqueued_at + step.after_ms > at:
            break
        steps += 1
    return steps


def urgency_of(priority: int, queue: QueueConfigured) -> int:
    """Return the priority of a task in the eyes of its queue."""
    return queue.priority if queue.task_selection is TaskSelection.AGE else priority


def precedence(urgency: int, weight: int, task: TaskSubmitted, at: int) -> Precedence:
    """Order waiting tasks: urgency, then the wait as its queue weighs it, then age."""
    wait = max(0, at - task.enqueued_at) * weight
    return Precedence(-urgency, -wait, task.enqueued_at, task.task_id)


def channels_of(agent: AgentConfigured, presence: PresenceObserved) -> tuple[int, ...]:
    """Return the channels that an agent can and wants to work on."""
    if not agent.channels and not presence.channels:
        return _ALL_CHANNELS
    can = agent.channels or _ALL_CHANNELS
    wants = presence.channels or can
    return tuple(sorted(set(can) & set(wants)))


def has(levels: dict[str, int], needs: Skills) -> bool:
    """Tell whether somebody has all that is needed."""
    return all(levels.get(skill, 0) >= level for skill, level in needs)


def merit(levels: dict[str, int], demand: Demand) -> tuple[int, int]:
    """Rank somebody by their skills, least first: wishes met, then as the queue selects."""
    wished = sum(levels.get(skill, 0) >= level for skill, level in demand.wishes)
    if demand.selection is AgentSelection.MOST_QUALIFIED:
        return -wished, -_qualification(levels, demand)
    if demand.selection is AgentSelection.LEAST_QUALIFIED:
        return -wished, _qualification(levels, demand)
    return -wished, 0


def _qualification(levels: dict[str, int], demand: Demand) -> int:
    """Sum up by how much somebody exceeds what is needed and wished."""
    asked = dict((*demand.wishes, *demand.needs))
    return sum(levels.get(skill, 0) - level for skill, level in asked.items())


def _both(queue: Skills, task: Skills) -> Skills:
    if not queue or not task:
        return queue or task
    levels = dict(queue)
    for skill, level in task:
        levels[skill] = max(level, levels.get(skill, 0))
    return tuple(sorted(levels.items()))


def _relaxed(needs: Skills, queue: QueueConfigured, steps: int) -> Skills:
    """Lower each need by the most that a step allows; a need of no level is none."""
    if not steps or not needs:
        return needs
    by = dict.fromkeys((skill for skill, _ in needs), 0)
    for step in queue.relaxations[:steps]:
        for skill in (step.skill_id,) if step.skill_id else tuple(by):
            by[skill] = max(step.lower_by, by.get(skill, 0))
    lowered = ((skill, level - by[skill]) for skill, level in needs)
    return tuple((skill, level) for skill, level in lowered if level > 0)
