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


class StillBanned(Refusal):
    """This ban does not end by the agent's own choice."""

    reason = "STILL_BANNED"


class StatusInvalid(Refusal):
    """Online, Ready, Dnd and the tenant's own can be chosen; the others follow."""

    reason = "STATUS_INVALID"


class CustomStatusUnknown(Refusal):
    """The tenant's policy knows no such status."""

    reason = "CUSTOM_STATUS_UNKNOWN"


class ChannelInvalid(Refusal):
    """A channel is chat, call or voicemail."""

    reason = "CHANNEL_INVALID"


class NotYours(Refusal):
    """Of others, supervisors see what they did when."""

    reason = "NOT_YOURS"


class TimeZoneUnknown(Refusal):
    """A time zone is named as IANA names it."""

    reason = "TIME_ZONE_UNKNOWN"


class DaysInvalid(Refusal):
    """A report begins on a date and has 1 to 31 days."""

    reason = "DAYS_INVALID"


class PageSizeInvalid(Refusal):
    """A page holds 1 to 200."""

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
