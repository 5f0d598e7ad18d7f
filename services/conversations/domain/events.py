"""What happened in conversations. Saving a conversation means saving these."""

from dataclasses import dataclass
from datetime import datetime

from .message import Message


@dataclass(frozen=True, slots=True)
class Opened:
    """It waits for an agent: the first message is appended in the same write, or it is told anew.

    `last_agent_id` held it before, or the conversation that it continues.
    """

    at: datetime
    last_agent_id: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    message: Message


@dataclass(frozen=True, slots=True)
class ReplyRequested:
    """The message just appended shall reach the customer."""

    message: Message


@dataclass(frozen=True, slots=True)
class Closed:
    """`by` is the user who closed it, empty for the system; `request_id` is theirs.

    `crossed` are the messages of the customer that whoever closed it had not seen. They leave it,
    and begin the next conversation of the lane. `seen` is the last arrival that the request named;
    None where nobody asked, or an older version closed it.
    """

    by: str
    request_id: str
    at: datetime
    crossed: tuple[str, ...] = ()
    seen: int | None = None


Event = Opened | Appended | ReplyRequested | Closed
