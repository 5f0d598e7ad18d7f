"""What says who fits what, as it lies in the logs and as the directory tells it."""

from collections.abc import Iterable
from typing import Any, TypedDict

from centralita.directory.v1 import resources_pb2 as directory
from centralita.directory.v1.events_pb2 import UserChanged
from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.domain import inputs as it
from services.dispatch.domain.demand import Load
from services.dispatch.domain.inputs import AgentSelection, Channel, Skills, StickyTo

LONGEST_WINDOW_MS = 90 * 24 * 3_600_000
LONGEST_RELAXATION_MS = 24 * 3_600_000
LONGEST_HOLD_MS = 10 * 60_000


class Matching(TypedDict):
    """The part of a queue's settings that says who fits what."""

    task_selection: it.TaskSelection
    channels: tuple[it.ChannelRouting, ...]
    skills: Skills
    wishes: Skills
    relaxations: tuple[it.Relaxation, ...]
    weight: int
    sticky: it.Sticky


def matching_of(queue: directory.Queue) -> Matching:
    """Read the settings of a queue as the directory tells them."""
    sticky = queue.sticky
    return Matching(
        task_selection=it.TaskSelection(queue.task_selection or it.TaskSelection.PRIORITY),
        channels=_read_routings(queue.channels),
        skills=read_skills(need for need in queue.skills if not need.preferred),
        wishes=read_skills(need for need in queue.skills if need.preferred),
        relaxations=tuple(
            _relaxation(step.after.ToMilliseconds(), step.skill_id, step.lower_by)
            for step in queue.relaxations
        ),
        weight=queue.weight or 1,
        sticky=_sticky(sticky.to, sticky.window.ToMilliseconds(), sticky.hold.ToMilliseconds()),
    )


def write_matching(queue: it.QueueConfigured) -> dict[str, Any]:
    """Return the fields of the log that hold it; what is as usual stays unset."""
    usual = it.QueueConfigured("", "")
    sticky = queue.sticky
    fields: dict[str, Any] = {
        "channels": [_write_routing(routing) for routing in queue.channels],
        "skills": write_skills(queue.skills),
        "wishes": write_skills(queue.wishes),
        "relaxations": [
            wire.Relaxation(after_ms=step.after_ms, skill_id=step.skill_id, lower_by=step.lower_by)
            for step in queue.relaxations
        ],
    }
    if queue.task_selection is not usual.task_selection:
        fields["task_selection"] = queue.task_selection.value
    if queue.weight != usual.weight:
        fields["weight"] = queue.weight
    if sticky != usual.sticky:
        fields["sticky_to"] = sticky.to.value
        fields["sticky_window_ms"] = sticky.window_ms
        fields["sticky_hold_ms"] = sticky.hold_ms
    return fields


def read_matching(queue: wire.QueueConfigured) -> Matching:
    return Matching(
        task_selection=it.TaskSelection(queue.task_selection or it.TaskSelection.PRIORITY),
        channels=_read_routings(queue.channels),
        skills=read_skills(queue.skills),
        wishes=read_skills(queue.wishes),
        relaxations=tuple(
            _relaxation(step.after_ms, step.skill_id, step.lower_by) for step in queue.relaxations
        ),
        weight=queue.weight or 1,
        sticky=_sticky(queue.sticky_to, queue.sticky_window_ms, queue.sticky_hold_ms),
    )


def capacity_of(user: UserChanged) -> tuple[int | None, tuple[Channel, ...]]:
    """Read how much a user takes at once (None: as the tenant says), and work of which kinds.

    Before chats and calls were told apart there was a number of chats, and 0 stood for none said.
    """
    chats = user.chat_capacity or None
    kinds = set(read_channels(user.channels) or Channel)
    if user.HasField("capacity"):
        chats = user.capacity.chats if user.capacity.HasField("chats") else None
        if user.capacity.HasField("calls") and not user.capacity.calls:
            kinds.discard(Channel.CALL)
    if chats == 0:
        # One call at a time, or one voicemail; and nothing for who takes no calls either.
        kinds.discard(Channel.CHAT)
        chats = 1 if Channel.CALL in kinds else 0
    if chats == 0 or not kinds:
        return 0, read_channels(user.channels)
    return chats, () if len(kinds) == len(Channel) else tuple(sorted(kinds))


def write_skills(skills: Skills) -> list[wire.SkillLevel]:
    return [wire.SkillLevel(skill_id=skill, level=level) for skill, level in skills]


def read_skills(skills: Iterable[Any]) -> Skills:
    return tuple(sorted((skill.skill_id, skill.level) for skill in skills))


def write_channels(channels: Iterable[int]) -> list[directory.TaskChannel.ValueType]:
    return [directory.TaskChannel.ValueType(channel) for channel in channels]


def read_channels(channels: Iterable[int]) -> tuple[Channel, ...]:
    """Read channels, sorted. ValueError for those that a newer version may know."""
    return tuple(sorted({Channel(channel) for channel in channels}))


def write_load(load: Load) -> wire.Load:
    return wire.Load(
        channel=directory.TaskChannel.ValueType(load.channel),
        cost=load.cost,
        takes_all=load.takes_all,
        interrupts=write_channels(load.interrupts),
    )


def read_load(load: wire.Load) -> Load:
    interrupts = tuple(int(channel) for channel in load.interrupts)
    return Load(int(load.channel), load.cost, load.takes_all, interrupts)


def _write_routing(routing: it.ChannelRouting) -> directory.ChannelRouting:
    return directory.ChannelRouting(
        channel=directory.TaskChannel.ValueType(routing.channel),
        agent_selection=directory.AgentSelection.ValueType(routing.agent_selection or 0),
        cost=routing.cost,
        takes_all=routing.takes_all,
        interrupts=write_channels(routing.interrupts),
    )


def _read_routings(
    routings: Iterable[directory.ChannelRouting],
) -> tuple[it.ChannelRouting, ...]:
    return tuple(
        it.ChannelRouting(
            Channel(routing.channel or Channel.CHAT),
            AgentSelection(routing.agent_selection) if routing.agent_selection else None,
            routing.cost or 1,
            routing.takes_all,
            read_channels(routing.interrupts),
        )
        for routing in routings
    )


def _relaxation(after_ms: int, skill_id: str, lower_by: int) -> it.Relaxation:
    """Keep moments within what a record can hold, whatever was configured."""
    return it.Relaxation(min(max(after_ms, 1), LONGEST_RELAXATION_MS), skill_id, lower_by)


def _sticky(to: int, window_ms: int, hold_ms: int) -> it.Sticky:
    return it.Sticky(
        StickyTo(to),
        min(window_ms, LONGEST_WINDOW_MS) if window_ms > 0 else it.NOT_STICKY.window_ms,
        min(max(hold_ms, 0), LONGEST_HOLD_MS),
    )
