"""What a channel must be able to do. Free of frameworks: values in, values out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from services.ingestion.domain.account import ChannelAccount
from services.ingestion.domain.delivery import Reply, Sent, Status
from services.ingestion.domain.message import InboundMessage


@dataclass(frozen=True, slots=True)
class Envelope:
    """What came in, byte for byte, over whichever wire. Names of headers are in lower case."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Whom the edge takes for one client: an address, or the network of one.
    client: str = field(default="", repr=False)
    # What the signature is over, where the body came wrapped in something larger.
    wrapping: bytes | None = field(default=None, repr=False)

    @property
    def signed(self) -> bytes:
        return self.body if self.wrapping is None else self.wrapping

    @property
    def media_type(self) -> str:
        """Content type without parameters, or nothing."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A provider's word on a reply it took."""

    message_id: str
    status: Status
    cause: str = ""


@dataclass(frozen=True, slots=True)
class WantedRefusals:
    """How many refusals a connector wants to read, behind which position."""

    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel allows of a reply."""

    # Characters.
    max_text: int
    # How long after the customer's last message; None sets no limit.
    reply_window: timedelta | None = None


class Connector(Protocol):
    """One channel. There is no way around `verify`: whoever forgets it has no connector."""

    capabilities: Capabilities

    def verify(self, envelope: Envelope, account: ChannelAccount, now: datetime) -> str:
        """Return who speaks, empty when the connector vouches for any sender; or refuse.

        Raises SignatureRefused or VisitorTokenRefused, also for an account without secrets.
        """

    def parse(self, envelope: Envelope, speaker: str, now: datetime) -> InboundMessage:
        """Return the message, or raise MessageMalformed. Its texts are judged later."""

    async def send(self, account: ChannelAccount, reply: Reply) -> Sent:
        """Hand the reply over, or raise the decision: Retry or Final."""


class ReportingConnector(Connector, Protocol):
    """A channel whose provider tells what became of a reply, and asks what we refused."""

    def parse_status(self, envelope: Envelope) -> StatusReport:
        """Return the report, or raise MessageMalformed."""

    def parse_wanted(self, envelope: Envelope) -> WantedRefusals:
        """Return which refusals are asked for, or raise MessageMalformed."""
