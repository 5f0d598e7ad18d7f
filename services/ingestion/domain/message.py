"""What a customer wrote, whichever channel brought it."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

LARGEST_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """Printed without what identifies or quotes the customer: it may end in a log."""

    provider_message_id: str
    sender_address: str = field(repr=False)
    text: str = field(repr=False)
    sent_at: datetime
    sender_name: str = field(default="", repr=False)

    def fingerprint(self) -> str:
        """Name the message among all of its account, in 32 hex digits whatever its id contains."""
        return hashlib.sha256(self.provider_message_id.encode()).hexdigest()[:32]
