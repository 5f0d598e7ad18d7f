"""What a customer wrote, whichever channel brought it."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from . import errors

LONGEST_ID = 200
LONGEST_ADDRESS = 200
LONGEST_NAME = 100
LONGEST_TEXT = 8000
LARGEST_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """Printed without what identifies or quotes the customer: it may end in a log."""

    provider_message_id: str
    sender_address: str = field(repr=False)
    text: str = field(repr=False)
    sent_at: datetime
    sender_name: str = field(default="", repr=False)

    def checked(self) -> "InboundMessage":
        """Return itself, or refuse for the first bound it breaks."""
        if not self.provider_message_id.strip():
            raise errors.ProviderMessageIdMissing(
                "Set providerMessageId to the provider's own id of the message.",
                field="providerMessageId",
            )
        checked_address(self.sender_address)
        if not self.text.strip():
            raise errors.TextMissing("Set text to what the customer wrote.", field="text")
        if len(self.text) > LONGEST_TEXT:
            raise errors.TextTooLong(
                f"Split the text: {LONGEST_TEXT} characters are the limit.", field="text"
            )
        _bounded("providerMessageId", self.provider_message_id, LONGEST_ID)
        _bounded("senderName", self.sender_name, LONGEST_NAME)
        return self

    def fingerprint(self) -> str:
        """Name the message among all of its account, in 32 hex digits whatever its id contains."""
        return hashlib.sha256(self.provider_message_id.encode()).hexdigest()[:32]


def checked_address(address: str) -> str:
    """Return it, or refuse what nobody can be addressed by."""
    if not address.strip():
        raise errors.SenderAddressMissing(
            "Set senderAddress to what replies shall be addressed to.", field="senderAddress"
        )
    _bounded("senderAddress", address, LONGEST_ADDRESS)
    return address


def _bounded(field_name: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise errors.MessageMalformed(
            f"Shorten {field_name}: {longest} characters are the limit.", field=field_name
        )
