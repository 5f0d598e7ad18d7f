"""Whether somebody who is Ready can be given anything at all, and if not, why.

What the router finds out for each task by itself is said here once for all tasks, to the agent:
who waits for work that cannot come would otherwise never know.
"""

from dataclasses import dataclass
from enum import IntEnum

from .presence import Presence
from .status import Channel


class Hindrance(IntEnum):
    """Why nothing is given. The numbers are those of the public contract."""

    NONE = 0
    NO_QUEUE = 1
    """They answer no queue and belong to no group."""
    NO_CAPACITY = 2
    """They take neither chats nor calls, or none of what they can work on."""
    NO_CHANNEL = 3
    """They want only work that they do not take."""


@dataclass(frozen=True, slots=True)
class Ability:
    """What the directory says that somebody can be given."""

    reached: bool = False
    """They answer a queue, or belong to a group."""
    takes: frozenset[Channel] = frozenset(Channel)


def hindrance(it: Presence, ability: Ability) -> Hindrance:
    """Return why somebody who wants new work is given none; NONE when they are, or want none."""
    if not it.connected or not it.receive_new:
        return Hindrance.NONE
    if not ability.reached:
        return Hindrance.NO_QUEUE
    if not ability.takes:
        return Hindrance.NO_CAPACITY
    wanted = ability.takes.intersection(it.channels) if it.channels else ability.takes
    return Hindrance.NONE if wanted else Hindrance.NO_CHANNEL
