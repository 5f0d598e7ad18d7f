"""What the workspace refuses, in its own words."""

from typing import ClassVar


class WorkspaceError(Exception):
    """`reason` and `details` are public API; the message is for people and may change."""

    reason: ClassVar[str]

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details = details


class Refusal(WorkspaceError):
    """A rule said no; asking again cannot change the answer."""


class TabMissing(Refusal):
    """A list was asked for without saying which."""

    reason = "TAB_MISSING"


class PageSizeInvalid(Refusal):
    """A page holds 1 to 200 cards."""

    reason = "PAGE_SIZE_INVALID"


class PageTokenInvalid(Refusal):
    """The token is not one of ours, or belongs to another list."""

    reason = "PAGE_TOKEN_INVALID"


class SlowConsumer(WorkspaceError):
    """The client reads slower than its view changes; it resumes from what it holds."""

    reason = "SLOW_CONSUMER"


class Stale(WorkspaceError):
    """It changed between reading and writing; read it again."""

    reason = "CARD_CHANGED"
