"""What contacts refuses to do, in its own words."""

from typing import ClassVar


class ContactsError(Exception):
    """`reason` and `details` are public API; the message is for people and may change."""

    reason: ClassVar[str]

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details = details


class Refusal(ContactsError):
    """A rule said no; asking again cannot change the answer."""


class IdentityInvalid(Refusal):
    reason = "IDENTITY_INVALID"


class ContactNotFound(Refusal):
    reason = "CONTACT_NOT_FOUND"


class TooManyIds(Refusal):
    reason = "TOO_MANY_IDS"


class Stale(ContactsError):
    """The contact was made or changed between reading and writing; read it again."""

    reason = "CONTACT_CHANGED"
