"""One message: what it is called, what it may say, and how far a reply has come."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum

# Clocks of providers differ from ours by seconds. A message from further ahead would stay at the
# end of the thread, below every later answer, so it is placed where it arrived.
FURTHEST_AHEAD = timedelta(minutes=5)


class Direction(Enum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Delivery(IntEnum):
    """How far a reply has come; of two reports the higher one stands, in whatever order they come.

    That it reached the customer is evidence; that it failed is a provider's guess (a retry may
    still get through), so FAILED beats SENT and yields to DELIVERED and READ.
    """

    UNKNOWN = 0
    SENT = 1
    FAILED = 2
    DELIVERED = 3
    READ = 4


@dataclass(frozen=True, slots=True)
class Message:
    """`arrival` counts from 1 in the conversation; `delivery_cause` is set only on FAILED."""

    id: str
    direction: Direction
    text: str
    sent_at: datetime
    arrived_at: datetime
    arrival: int
    author_id: str = ""
    delivery: Delivery = Delivery.UNKNOWN
    delivery_cause: str = ""
    moved: bool = False
    """It crossed the close of the conversation before, whose document it is until it is stored."""

    @property
    def place(self) -> "Place":
        return Place(self.sent_at, self.arrival)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a message stands in the thread: the provider's time, then arrival."""

    sent_at: datetime
    arrival: int


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a conversation was read by whoever ends it: to an arrival, or to a moment.

    Neither: to its end, whatever came meanwhile.
    """

    arrival: int = 0
    until: datetime | None = None


def inbound_id(
    tenant_id: str,
    channel_account_id: str,
    sender_address: str,
    provider_message_id: str,
    account_incarnation: int = 0,
) -> str:
    """Return the id that this sender's message has, however often it is delivered.

    An account that was made again, so with an incarnation above 1, has no message of those before.
    """
    life = (str(account_incarnation),) if account_incarnation > 1 else ()
    account = tenant_id, channel_account_id, *life
    return _digest("inbound", *account, sender_address, provider_message_id)


def former_inbound_id(tenant_id: str, channel_account_id: str, provider_message_id: str) -> str:
    """Return the id that it had when senders of an account shared their ids."""
    return _digest("inbound", tenant_id, channel_account_id, provider_message_id)


def reply_id(tenant_id: str, conversation_id: str, author_id: str, request_id: str) -> str:
    """Return the id that the reply of this very request has, however often it is sent."""
    return _digest("reply", tenant_id, conversation_id, author_id, request_id)


def farewell_id(tenant_id: str, conversation_id: str) -> str:
    """Return the id of the last words to a customer whom nobody answered: one a conversation."""
    return _digest("farewell", tenant_id, conversation_id)


def placed(told: datetime | None, now: datetime) -> datetime:
    """Return the time a message is ordered by: the provider's, unless it cannot be true."""
    return now if told is None or told > now + FURTHEST_AHEAD else told


def _digest(*parts: str) -> str:
    # JSON keeps ("a", "bc") and ("ab", "c") apart.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
