"""Who fits what, said a second time and from the contract alone: no state, no shortcuts."""

from dataclasses import dataclass

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire

CHANNELS: set[int] = {
    directory.TASK_CHANNEL_CHAT,
    directory.TASK_CHANNEL_CALL,
    directory.TASK_CHANNEL_VOICEMAIL,
}


@dataclass(frozen=True)
class Takes:
    """What a task takes of an agent."""

    channel: int = directory.TASK_CHANNEL_CHAT
    cost: int = 1
    takes_all: bool = False
    interrupts: frozenset[int] = frozenset()


def routing(queue: wire.QueueConfigured, channel: int) -> directory.ChannelRouting:
    for said in queue.channels:
        if (said.channel or directory.TASK_CHANNEL_CHAT) == channel:
            return said
    return directory.ChannelRouting(takes_all=channel == directory.TASK_CHANNEL_CALL)


def takes(task: wire.TaskSubmitted, queue: wire.QueueConfigured) -> Takes:
    channel = task.channel or directory.TASK_CHANNEL_CHAT
    said = routing(queue, channel)
    cost = task.cost or said.cost or 1
    return Takes(channel, cost, said.takes_all, frozenset(said.interrupts))


def selection(queue: wire.QueueConfigured, channel: int) -> int:
    return routing(queue, channel).agent_selection or queue.agent_selection


def fits(one: Takes, beside: list[Takes], capacity: int) -> bool:
    """R3: what it may not interrupt leaves room for it; all of it when either takes all.

    Of what is no chat it is never more than all: one call fits whoever has nothing else.
    """
    counted = [other for other in beside if other.channel not in one.interrupts]
    if capacity == 0 or any(other.takes_all for other in counted):
        return False
    if one.takes_all:
        return not counted
    chat = one.channel == directory.TASK_CHANNEL_CHAT
    cost = one.cost if chat else min(one.cost, capacity)
    return sum(other.cost for other in counted) + cost <= capacity


def share(beside: list[Takes], capacity: int) -> int:
    """Return the millionths of a capacity that are in use."""
    used = sum(other.cost for other in beside)
    if used >= capacity or any(other.takes_all for other in beside):
        return 1_000_000
    return used * 1_000_000 // capacity


def channels(agent: wire.AgentConfigured, presence: wire.PresenceObserved) -> set[int]:
    can = set[int](agent.channels) or CHANNELS
    return can & (set[int](presence.channels) or can)


def qualified(agent: wire.AgentConfigured, needs: dict[str, int]) -> bool:
    levels = {skill.skill_id: skill.level for skill in agent.skills}
    return all(levels.get(skill, 0) >= level for skill, level in needs.items())


def wishes(task: wire.TaskSubmitted, queue: wire.QueueConfigured) -> dict[str, int]:
    asked: dict[str, int] = {}
    for wish in (*queue.wishes, *task.wishes):
        asked[wish.skill_id] = max(wish.level, asked.get(wish.skill_id, 0))
    return asked


def needs(task: wire.TaskSubmitted, queue: wire.QueueConfigured, relaxed: int) -> dict[str, int]:
    """Return the levels that are needed after so many steps."""
    asked: dict[str, int] = {}
    for need in (*queue.skills, *task.skills):
        asked[need.skill_id] = max(need.level, asked.get(need.skill_id, 0))
    for skill, level in list(asked.items()):
        taken = [
            step.lower_by for step in queue.relaxations[:relaxed] if step.skill_id in {"", skill}
        ]
        asked[skill] = level - max(taken, default=0)
    return {skill: level for skill, level in asked.items() if level > 0}


def steps_due(task: wire.TaskSubmitted, queue: wire.QueueConfigured, at: int) -> int:
    due = 0
    while due < len(queue.relaxations):
        if task.enqueued_at_ms + queue.relaxations[due].after_ms > at:
            break
        due += 1
    return due
