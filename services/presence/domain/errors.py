"""What presence refuses, in its own words."""

from typing import ClassVar


class PresenceError(Exception):
    """`reason` and `details` are public API; the message is for people and may change."""

    reason: ClassVar[str]

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details = details


class Refusal(PresenceError):
    """A rule said no; asking again cannot change the answer."""


class DeviceIdInvalid(Refusal):
    """A device calls itself by 1 to 64 of [A-Za-z0-9_-]."""

    reason = "DEVICE_ID_INVALID"


class UserIdInvalid(Refusal):
    """A user id is 1 to 64 of [A-Za-z0-9_-]."""

    reason = "USER_ID_INVALID"


class NotConnected(Refusal):
    """Without a lease nobody can receive work."""

    reason = "NOT_CONNECTED"


class PageSizeInvalid(Refusal):
    """A page holds 1 to 200 presences."""

    reason = "PAGE_SIZE_INVALID"


class PageTokenInvalid(Refusal):
    """The token is not one of ours."""

    reason = "PAGE_TOKEN_INVALID"


class LeasesUnknown(PresenceError):
    """The bucket cannot be asked, so nobody can be declared gone."""

    reason = "LEASES_UNKNOWN"


class Stale(PresenceError):
    """It changed between reading and writing; read it again."""

    reason = "PRESENCE_CHANGED"
