"""What was handed in over the bus and not taken, as who handed it in may read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Refused:
    """One message. Its id is empty where the message could not be read."""

    provider_message_id: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RefusedPage:
    """Some of them, oldest first; `position` is where the next page begins."""

    refused: Sequence[Refused]
    position: int
    more: bool
