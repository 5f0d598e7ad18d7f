"""Where tasks wait."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum

from . import fields
from .errors import FieldInvalid

SHORTEST_OFFER = timedelta(seconds=1)
LONGEST_OFFER = timedelta(minutes=10)
USUAL_OFFER = timedelta(seconds=20)
USUAL_PRIORITY = 50


class AgentSelection(IntEnum):
    """How a queue picks among the agents who can take a task. Numbers of the proto."""

    LONGEST_IDLE = 1
    LEAST_BUSY = 2


@dataclass(frozen=True, slots=True)
class Queue:
    """What is unset in a request has the default here, so that readers never guess."""

    display_name: str
    agent_selection: AgentSelection = AgentSelection.LONGEST_IDLE
    offer_timeout: timedelta = USUAL_OFFER
    priority: int = USUAL_PRIORITY

    def checked(self) -> "Queue":
        if not SHORTEST_OFFER <= self.offer_timeout <= LONGEST_OFFER:
            raise FieldInvalid("queue.offer_timeout", "range", "send 1 s to 10 min.")
        return replace(
            self,
            display_name=fields.name("queue.display_name", self.display_name),
            priority=fields.number("queue.priority", self.priority, 1, 100),
        )
