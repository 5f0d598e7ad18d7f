"""How a reply reaches the provider, and what its answers mean."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from .account import Channel

GIVE_UP_AFTER = timedelta(hours=24)
# An earlier reply of the same conversation goes first, as long as it is not stuck for longer.
KEEP_ORDER_FOR = timedelta(seconds=60)
LONGEST_DELAY = timedelta(minutes=10)


class Status(Enum):
    """How far a reply has come."""

    PENDING = "PENDING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Reply:
    """Printed with ids only.

    `position` is where the stream holds it: the replies of a conversation lie there in order.
    """

    tenant_id: str
    conversation_id: str
    message_id: str
    channel: Channel
    channel_account_id: str
    recipient_address: str = field(repr=False)
    text: str = field(repr=False)
    sent_at: datetime
    position: int

    @property
    def account_key(self) -> tuple[str, str]:
        return self.tenant_id, self.channel_account_id


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of a reply on its way; outlives the reply's text.

    `position` is the first at which the stream held it; 0 where only an older version tried it.
    """

    tenant_id: str
    conversation_id: str
    message_id: str
    channel_account_id: str
    began_at: datetime
    attempts: int = 0
    status: Status = Status.PENDING
    cause: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class Fate:
    """A fact about a reply to tell the others."""

    tenant_id: str
    conversation_id: str
    message_id: str
    status: Status
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel took the reply."""


class Retry(Exception):
    """Not now.

    `after` is the channel's own wish, None leaves it to us; `pause_account` holds the other
    replies of the account back as well.
    """

    def __init__(
        self, cause: str, *, after: timedelta | None = None, pause_account: bool = False
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.after = after
        self.pause_account = pause_account


class Final(Exception):
    """Never: the cause is stable, UPPER_SNAKE, and shown on the message."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def next_try(delivery: Delivery, no: Retry, now: datetime) -> timedelta | None:
    """Return how long to wait before the next try; None says that it is time to give up."""
    ours = min(timedelta(seconds=2 ** min(delivery.attempts, 12)), LONGEST_DELAY)
    delay = ours if no.after is None else max(no.after, timedelta(seconds=1))
    return delay if now + delay < delivery.began_at + GIVE_UP_AFTER else None
