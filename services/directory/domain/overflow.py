"""Where a task goes that cannot stay."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import fields
from .errors import OverflowCycle


@dataclass(frozen=True, slots=True)
class ToQueue:
    """It waits in another queue, with its original age."""

    queue_id: str


@dataclass(frozen=True, slots=True)
class ToGroup:
    """It rings at a group."""

    group_id: str


@dataclass(frozen=True, slots=True)
class Farewell:
    """The customer is told this, and it ends."""

    text: str


@dataclass(frozen=True, slots=True)
class Voicemail:
    """It stays as a voicemail task."""


@dataclass(frozen=True, slots=True)
class End:
    """It ends without a word."""


Overflow = ToQueue | ToGroup | Farewell | Voicemail | End


def checked(field: str, overflow: Overflow) -> Overflow:
    """Check the form of the target; whether it exists is for those who can look."""
    match overflow:
        case ToQueue(queue_id):
            fields.slug(f"{field}.queue_id", queue_id)
        case ToGroup(group_id):
            fields.slug(f"{field}.group_id", group_id)
        case Farewell() | Voicemail() | End():
            pass
    return overflow


def check_ends(queue_id: str, leads_to: Mapping[str, Sequence[str]]) -> None:
    """Refuse a queue from which overflows lead back to it; `leads_to` is by queue."""
    ways: deque[tuple[str, ...]] = deque([(queue_id,)])
    seen = {queue_id}
    while ways:
        way = ways.popleft()
        for next_id in leads_to.get(way[-1], ()):
            if next_id == queue_id:
                told = (*way, next_id)
                raise OverflowCycle(
                    f"Tasks would come back: {' > '.join(told)}. Send those of one elsewhere.",
                    queueIds=",".join(told),
                )
            if next_id not in seen:
                seen.add(next_id)
                ways.append((*way, next_id))
