"""What ingestion refuses, in its own words. `reason` and `details` are public API."""

from typing import ClassVar


class IngestionError(Exception):
    """The message is for people, says what to do, and may change; it never quotes the input."""

    reason: ClassVar[str]

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details = details


class Refusal(IngestionError):
    """A rule said no; the same request will be refused again."""


class ChannelAccountNotFound(Refusal):
    reason = "CHANNEL_ACCOUNT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No such channel account in this tenant: check both ids of the address.")


class SignatureRefused(Refusal):
    """`flaw` is for our log alone: a caller is not told how close it came."""

    reason = "SIGNATURE_REFUSED"

    def __init__(self, flaw: str) -> None:
        super().__init__(
            "The signature is missing, wrong or older than five minutes: sign the body exactly as"
            " it is sent, with the account's present secret and a clock that is right."
        )
        self.flaw = flaw


class MessageMalformed(Refusal):
    reason = "MESSAGE_MALFORMED"


class ProviderMessageIdMissing(Refusal):
    reason = "PROVIDER_MESSAGE_ID_MISSING"


class MessageIdReused(Refusal):
    reason = "MESSAGE_ID_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "The sender's message of this id says something else, and was accepted: give each"
            " message an id of its own."
        )


class SenderAddressMissing(Refusal):
    reason = "SENDER_ADDRESS_MISSING"


class TextMissing(Refusal):
    reason = "TEXT_MISSING"


class TextTooLong(Refusal):
    reason = "TEXT_TOO_LONG"


class BodyTooLarge(Refusal):
    reason = "BODY_TOO_LARGE"


class ReplyNotFound(Refusal):
    reason = "REPLY_NOT_FOUND"


class VisitorTokenRefused(Refusal):
    reason = "VISITOR_TOKEN_REFUSED"


class OriginRefused(Refusal):
    reason = "ORIGIN_REFUSED"


class RateLimited(IngestionError):
    """Too much at once; the same request is welcome after `retry_after` seconds."""

    reason = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "Too many requests: wait as Retry-After says.", retryAfter=str(retry_after)
        )
        self.retry_after = retry_after


class DependencyUnavailable(IngestionError):
    """Something we need is down; nothing was stored, the same request is welcome later."""

    reason = "DEPENDENCY_UNAVAILABLE"


class BusUnavailable(IngestionError):
    """No durable ack came. Whether it was stored is unknown: the same request settles it."""

    reason = "BUS_UNAVAILABLE"


class Stale(IngestionError):
    """Someone else wrote first; read again."""

    reason = "STALE"
