"""Where tasks wait."""

from dataclasses import dataclass, replace
from datetime import timedelta

from . import fields, overflow, routing
from .errors import FieldInvalid
from .hours import BusinessHours
from .overflow import Overflow, ToGroup, ToQueue
from .routing import (
    AfterService,
    AgentSelection,
    ChannelRouting,
    OnAgentLost,
    Relaxation,
    SkillNeed,
    Sticky,
    TaskSelection,
)

RINGS = (timedelta(seconds=1), timedelta(minutes=10))
WAITS = (timedelta(seconds=1), timedelta(days=7))
USUAL_RING = timedelta(seconds=20)
PAUSES = (timedelta(seconds=5), timedelta(hours=1))
USUAL_PAUSE = timedelta(seconds=20)
USUAL_PRIORITY = 50
PRIORITIES = (1, 100)
WEIGHTS = (1, 100)
MAX_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Queue:
    """What is unset in a request has the default here, so that readers never guess."""

    display_name: str
    agent_selection: AgentSelection = AgentSelection.LONGEST_IDLE
    offer_timeout: timedelta = USUAL_RING
    priority: int = USUAL_PRIORITY
    task_selection: TaskSelection = TaskSelection.PRIORITY
    channels: tuple[ChannelRouting, ...] = ()
    skills: tuple[SkillNeed, ...] = ()
    """What every task of this queue needs, besides what it says itself."""
    relaxations: tuple[Relaxation, ...] = ()
    weight: int = 1
    """How fast tasks of this queue age in the eyes of agents who serve several."""
    sticky: Sticky | None = None
    max_wait: timedelta | None = None
    """None: for ever."""
    max_waiting: int = 0
    """0: no limit."""
    overflow: Overflow | None = None
    """None: what overflows ends."""
    overflow_when_nobody: bool = False
    business_hours: BusinessHours | None = None
    """None: always open."""
    after_service: AfterService | None = None
    """None: off."""
    on_agent_lost: OnAgentLost = OnAgentLost.HOLD
    ask_again_after: timedelta = USUAL_PAUSE
    """How long after an agent refused a task it may ring at them again."""
    removing_to: str = ""
    """The queue to which its work goes while it is being removed."""

    def checked(self) -> "Queue":
        fields.span("queue.offer_timeout", self.offer_timeout, *RINGS)
        fields.span("queue.ask_again_after", self.ask_again_after, *PAUSES)
        fields.number("queue.priority", self.priority, *PRIORITIES)
        fields.number("queue.weight", self.weight, *WEIGHTS)
        fields.number("queue.max_waiting", self.max_waiting, 0, MAX_WAITING)
        if self.max_wait is not None:
            fields.span("queue.max_wait", self.max_wait, *WAITS)
        if self.overflow is not None:
            overflow.checked("queue.overflow", self.overflow)
        if self.sticky is not None:
            self.sticky.checked("queue.sticky")
        if self.after_service is not None:
            routing.after_service("queue.after_service", self.after_service)
        hours = self.business_hours
        return replace(
            self,
            display_name=self.display_name.strip(),
            channels=routing.channel_routings("queue.channels", self.channels),
            skills=routing.by_skill("queue.skills", self.skills),
            relaxations=routing.relaxations("queue.relaxations", self.relaxations),
            business_hours=hours.checked("queue.business_hours") if hours else None,
        )

    @property
    def ways_out(self) -> tuple[tuple[str, Overflow], ...]:
        """Where its tasks may go instead, each with the field that says so."""
        hours = self.business_hours
        ways = (
            ("queue.overflow", self.overflow),
            ("queue.business_hours.overflow", hours.overflow if hours else None),
        )
        return tuple((field, way) for field, way in ways if way is not None)

    @property
    def next_queues(self) -> tuple[tuple[str, str], ...]:
        """Field and id of each queue that it overflows to."""
        return tuple(
            (f"{field}.queue_id", way.queue_id)
            for field, way in self.ways_out
            if isinstance(way, ToQueue)
        )

    @property
    def next_queue_ids(self) -> tuple[str, ...]:
        return tuple(queue_id for _, queue_id in self.next_queues)

    @property
    def next_groups(self) -> tuple[tuple[str, str], ...]:
        """Field and id of each group that it overflows to."""
        return tuple(
            (f"{field}.group_id", way.group_id)
            for field, way in self.ways_out
            if isinstance(way, ToGroup)
        )

    def check_leads_on(self, queue_id: str) -> None:
        """Refuse a queue of this id that overflows to itself."""
        for field, target in self.next_queues:
            if target == queue_id:
                raise FieldInvalid(field, "other", "name another queue than this one.")
