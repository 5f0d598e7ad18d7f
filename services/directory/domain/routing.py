"""Who is asked for a task, and what a task asks for."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum
from typing import TypeVar

from . import fields
from .errors import FieldInvalid

LEVELS = (1, 5)
MAX_SKILLS = 100
MAX_RELAXATIONS = 50
COSTS = (1, 50)

RELAXED_AFTER = (timedelta(seconds=1), timedelta(hours=24))
REMEMBERED_FOR = (timedelta(minutes=1), timedelta(days=90))
USUALLY_REMEMBERED = timedelta(hours=24)
HELD_FOR = (timedelta(), timedelta(minutes=10))
AFTERWARDS = (timedelta(seconds=1), timedelta(hours=1))


class TaskChannel(IntEnum):
    """A kind of work, as capacity sees it. Numbers of the proto, as all enumerations here."""

    CHAT = 1
    CALL = 2
    VOICEMAIL = 3


class AgentSelection(IntEnum):
    """How a queue picks among the agents who can take a task."""

    LONGEST_IDLE = 1
    LEAST_BUSY = 2
    MOST_QUALIFIED = 3
    LEAST_QUALIFIED = 4
    ROUND_ROBIN = 5


class TaskSelection(IntEnum):
    """How a queue picks among the tasks that an agent can take."""

    PRIORITY = 1
    AGE = 2


class OnAgentLost(IntEnum):
    """What becomes of held work when its agent is lost."""

    HOLD = 1
    REQUEUE = 2


@dataclass(frozen=True, slots=True)
class SkillLevel:
    """How well somebody does something."""

    skill_id: str
    level: int


def task_channels(channels: Iterable[TaskChannel]) -> tuple[TaskChannel, ...]:
    """Return channels in the order of their numbers, each once."""
    return tuple(sorted(set(channels)))


@dataclass(frozen=True, slots=True)
class SkillNeed:
    """What a task needs in whoever gets it, or, `preferred`, wishes."""

    skill_id: str
    level: int
    preferred: bool = False


S = TypeVar("S", SkillLevel, SkillNeed)


def by_skill(field: str, skills: Iterable[S]) -> tuple[S, ...]:
    """Return levels or needs sorted by skill; a skill named twice is refused."""
    clean = tuple(sorted(skills, key=lambda it: it.skill_id))
    fields.few(field, clean, MAX_SKILLS)
    for it in clean:
        fields.slug(f"{field}.skill_id", it.skill_id)
        fields.number(f"{field}.level", it.level, *LEVELS)
    fields.once(f"{field}.skill_id", (it.skill_id for it in clean))
    return clean


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A step of asking for less while a task waits."""

    after: timedelta
    lower_by: int
    skill_id: str = ""
    """Empty: every skill that the task needs."""


def relaxations(field: str, steps: Iterable[Relaxation]) -> tuple[Relaxation, ...]:
    """Return the steps as they follow each other; each must come later than the one before."""
    clean = tuple(steps)
    fields.few(field, clean, MAX_RELAXATIONS)
    before = timedelta()
    for it in clean:
        fields.span(f"{field}.after", it.after, *RELAXED_AFTER)
        if it.after <= before:
            raise FieldInvalid(f"{field}.after", "order", "send later than the step before.")
        before = it.after
        if it.skill_id:
            fields.slug(f"{field}.skill_id", it.skill_id)
        fields.number(f"{field}.lower_by", it.lower_by, *LEVELS)
    return clean


@dataclass(frozen=True, slots=True)
class ChannelRouting:
    """How tasks of one channel are routed by a queue."""

    channel: TaskChannel
    agent_selection: AgentSelection | None = None
    """None: the queue's."""
    cost: int = 1
    """Units of capacity that one task takes."""
    takes_all: bool = False
    """One task takes whatever capacity the agent has, and needs all of it free."""
    interrupts: tuple[TaskChannel, ...] = ()
    """What an agent may be working on, at no cost to this."""


def channel_routings(field: str, routings: Iterable[ChannelRouting]) -> tuple[ChannelRouting, ...]:
    """Return the routings by channel; a channel named twice is refused."""
    clean = tuple(
        replace(it, interrupts=task_channels(it.interrupts))
        for it in sorted(routings, key=lambda it: it.channel)
    )
    fields.once(f"{field}.channel", (it.channel for it in clean))
    for it in clean:
        fields.number(f"{field}.cost", it.cost, *COSTS)
        if it.channel in it.interrupts:
            raise FieldInvalid(
                f"{field}.interrupts", "other", "name other channels than the one that interrupts."
            )
    return clean


class StickyTo(IntEnum):
    """Whom a task goes back to."""

    LAST = 1
    PREFERRED = 2


@dataclass(frozen=True, slots=True)
class Sticky:
    """Back to the agent whom the customer knows."""

    to: StickyTo
    window: timedelta = USUALLY_REMEMBERED
    """For how long after their last task the last agent is meant."""
    hold: timedelta = timedelta()
    """How long a task is kept for them alone before everybody may get it."""

    def checked(self, field: str) -> "Sticky":
        fields.span(f"{field}.window", self.window, *REMEMBERED_FOR)
        fields.span(f"{field}.hold", self.hold, *HELD_FOR)
        return self


@dataclass(frozen=True, slots=True)
class Unlimited:
    """After-service lasts until the agent finishes."""


@dataclass(frozen=True, slots=True)
class Limited:
    """After-service lasts until the agent finishes, or the limit forces them out."""

    limit: timedelta
    extension: timedelta | None = None
    """What one extension by the agent adds. None: none can be had."""


AfterService = Unlimited | Limited


def after_service(field: str, wanted: AfterService) -> AfterService:
    if isinstance(wanted, Limited):
        fields.span(f"{field}.limit", wanted.limit, *AFTERWARDS)
        if wanted.extension is not None:
            fields.span(f"{field}.extension", wanted.extension, *AFTERWARDS)
    return wanted
