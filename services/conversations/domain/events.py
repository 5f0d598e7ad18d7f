"""What happened in conversations. Saving a conversation means saving these."""

from dataclasses import dataclass
from datetime import datetime

from .message import Message


@dataclass(frozen=True, slots=True)
class Opened:
    """The first message is appended in the same write."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Appended:
    message: Message


@dataclass(frozen=True, slots=True)
class ReplyRequested:
    """The message just appended shall reach the customer."""

    message: Message


@dataclass(frozen=True, slots=True)
class Closed:
    """`by` is the user who closed it, empty for the system; `request_id` is theirs."""

    by: str
    request_id: str
    at: datetime


Event = Opened | Appended | ReplyRequested | Closed
