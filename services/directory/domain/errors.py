"""What the directory refuses to do, in its own words."""

from typing import ClassVar


class DirectoryError(Exception):
    """`reason` and `details` are public API; the message is for people and may change."""

    reason: ClassVar[str]

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details = details


class Refusal(DirectoryError):
    """A rule said no; asking again cannot change the answer."""


class FieldInvalid(Refusal):
    """A field of the request breaks its rule; `details` names both."""

    reason = "FIELD_INVALID"

    def __init__(self, field: str, rule: str, message: str) -> None:
        super().__init__(f"{field}: {message}", field=field, rule=rule)


class TenantNotFound(Refusal):
    reason = "TENANT_NOT_FOUND"


class UserNotFound(Refusal):
    reason = "USER_NOT_FOUND"


class QueueNotFound(Refusal):
    reason = "QUEUE_NOT_FOUND"


class GroupNotFound(Refusal):
    reason = "GROUP_NOT_FOUND"


class ChannelAccountNotFound(Refusal):
    reason = "CHANNEL_ACCOUNT_NOT_FOUND"


class UnknownUser(Refusal):
    """A field names a user that does not exist."""

    reason = "USER_NOT_FOUND"


class UnknownQueue(Refusal):
    """A field names a queue that does not exist."""

    reason = "QUEUE_NOT_FOUND"


class UnknownGroup(Refusal):
    """A field names a group that does not exist."""

    reason = "GROUP_NOT_FOUND"


class EmailTaken(Refusal):
    reason = "EMAIL_TAKEN"


class RoleTooLow(Refusal):
    reason = "ROLE_TOO_LOW"


class LastOwner(Refusal):
    reason = "LAST_OWNER"


class InUse(Refusal):
    reason = "IN_USE"


class QueueHasTasks(Refusal):
    """A removal would leave work without a place; `details` counts it."""

    reason = "QUEUE_HAS_TASKS"


class GroupHasTasks(Refusal):
    """As of a queue."""

    reason = "GROUP_HAS_TASKS"


class ChannelAccountHasConversations(Refusal):
    """What is answered in them would reach nobody; `details` counts them."""

    reason = "CHANNEL_ACCOUNT_HAS_CONVERSATIONS"


class OverflowCycle(Refusal):
    """Tasks would come back to the queue they left."""

    reason = "OVERFLOW_CYCLE"


class VersionStale(Refusal):
    """The caller read an older version: they must read again, we cannot decide for them."""

    reason = "VERSION_STALE"


class SignInRefused(Refusal):
    """Says nothing about which part was wrong."""

    reason = "SIGN_IN_REFUSED"

    def __init__(self) -> None:
        super().__init__("Tenant, email or password is wrong. Check all three and try again.")


class SignInThrottled(Refusal):
    reason = "SIGN_IN_THROTTLED"


class SessionEnded(Refusal):
    reason = "SESSION_ENDED"

    def __init__(self) -> None:
        super().__init__("The session has ended. Sign in again.")


class ServiceSecretRefused(Refusal):
    reason = "SERVICE_SECRET_REFUSED"

    def __init__(self) -> None:
        super().__init__("Service or secret is wrong. Compare SERVICE_SECRETS of the directory.")


class Stale(DirectoryError):
    """It changed between reading and writing; read it again and decide again."""

    reason = "CHANGED_MEANWHILE"
