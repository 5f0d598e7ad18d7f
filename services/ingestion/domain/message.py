"""What a customer wrote, whichever channel brought it."""

import hashlib
import json
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
        return _digest(self.sender_address, self.provider_message_id)

    def content(self) -> str:
        """Name what it says, in 32 hex digits; not when, or by whose name, which may change."""
        return _digest(self.text)


def _digest(*parts: str) -> str:
    # JSON keeps ("a", "bc") and ("ab", "c") apart.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
