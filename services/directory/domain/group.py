"""A set of agents rung by a dial strategy."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum

from . import fields
from .queue import PAUSES, RINGS, USUAL_PAUSE, USUAL_RING


class RingStrategy(IntEnum):
    """How the members are rung. Numbers of the proto."""

    SIMULTANEOUS = 1
    RANDOM = 2
    SEQUENTIAL = 3


@dataclass(frozen=True, slots=True)
class Group:
    display_name: str
    user_ids: tuple[str, ...] = ()
    """In the order in which a sequential group rings."""
    ring_strategy: RingStrategy = RingStrategy.SIMULTANEOUS
    ring_timeout: timedelta = USUAL_RING
    ask_again_after: timedelta = USUAL_PAUSE
    """As of a queue."""
    removing_to: str = ""
    """As of a queue."""

    def checked(self) -> "Group":
        fields.span("group.ring_timeout", self.ring_timeout, *RINGS)
        fields.span("group.ask_again_after", self.ask_again_after, *PAUSES)
        return replace(
            self,
            display_name=self.display_name.strip(),
            user_ids=fields.in_order("group.user_ids", self.user_ids),
        )
