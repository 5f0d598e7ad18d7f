"""What conversations refuses to do, in its own words."""

from typing import ClassVar


class ConversationsError(Exception):
    """`reason` and `details` are public API; the message is for people and may change."""

    reason: ClassVar[str]

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details = details


class Refusal(ConversationsError):
    """A rule said no; asking again cannot change the answer."""


class ConversationNotFound(Refusal):
    """There is none, or the caller may not know that there is."""

    reason = "CONVERSATION_NOT_FOUND"


class NotYours(Refusal):
    reason = "CONVERSATION_NOT_YOURS"


class ConversationClosed(Refusal):
    reason = "CONVERSATION_CLOSED"


class TextMissing(Refusal):
    reason = "TEXT_MISSING"


class TextTooLong(Refusal):
    reason = "TEXT_TOO_LONG"


class RequestIdMissing(Refusal):
    reason = "REQUEST_ID_MISSING"


class RequestIdReused(Refusal):
    """What was asked under this request_id before said something else, and was done."""

    reason = "REQUEST_ID_REUSED"


class PageTokenInvalid(Refusal):
    reason = "PAGE_TOKEN_INVALID"


class Unusable(ConversationsError):
    """A customer's message that can never become one of ours, however often it is tried.

    Not a Refusal: nobody waits for the answer, so it is kept for people to look at.
    """

    reason = "MESSAGE_UNUSABLE"


class MessageIdReused(Unusable):
    """The sender's message of this id says something else, and was appended already."""

    reason = "MESSAGE_ID_REUSED"


class Stale(ConversationsError):
    """The conversation changed between reading and writing; read it again."""

    reason = "CONVERSATION_CHANGED"
