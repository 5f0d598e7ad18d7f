"""Who makes the running call, and the ways in which a call is not admitted."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from centralita.options.v1.options_pb2 import Role
from grpc import StatusCode

from .answers import NO_DETAILS
from .keys import KeysUnavailable

FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes the running call. A service has no tenant, user or role; a user no service."""

    tenant_id: str = ""
    user_id: str = ""
    role: Role.ValueType = Role.ROLE_UNSPECIFIED
    service: str = ""
    expires_at: datetime = FOR_EVER
    session_id: str = ""
    """The sign-in the token comes from. Empty: its issuer names none."""
    user_version: int | None = None
    """As of which change of the user the token speaks. None: its issuer does not say, and the
    directory knows of no such user."""


ANYONE = Caller()

_caller: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Return the caller of the running call; LookupError outside of one."""
    return _caller.get()


def be(who: Caller) -> None:
    """Make `who` the caller for the rest of this task."""
    _caller.set(who)


@contextmanager
def acting_as(who: Caller) -> Iterator[None]:
    """Run a block as `who`: for tests that call a servicer without a server."""
    token = _caller.set(who)
    try:
        yield
    finally:
        _caller.reset(token)


class NotAdmitted(Exception):
    """The call was refused before anyone looked at the request."""

    reason: ClassVar[str]

    def __init__(self, message: str, details: Mapping[str, str] = NO_DETAILS) -> None:
        super().__init__(message)
        self.details = details


class TokenMissing(NotAdmitted):
    reason = "TOKEN_MISSING"


class TokenInvalid(NotAdmitted):
    reason = "TOKEN_INVALID"


class TokenExpired(NotAdmitted):
    reason = "TOKEN_EXPIRED"


class TokenRevoked(NotAdmitted):
    reason = "TOKEN_REVOKED"


class RoleTooLow(NotAdmitted):
    reason = "ROLE_TOO_LOW"


class ServiceNotAllowed(NotAdmitted):
    reason = "SERVICE_NOT_ALLOWED"


class RuleMissing(NotAdmitted):
    reason = "RULE_MISSING"


CODES: Mapping[type[Exception], StatusCode] = {
    TokenMissing: StatusCode.UNAUTHENTICATED,
    TokenInvalid: StatusCode.UNAUTHENTICATED,
    TokenExpired: StatusCode.UNAUTHENTICATED,
    TokenRevoked: StatusCode.UNAUTHENTICATED,
    RoleTooLow: StatusCode.PERMISSION_DENIED,
    ServiceNotAllowed: StatusCode.PERMISSION_DENIED,
    RuleMissing: StatusCode.PERMISSION_DENIED,
    KeysUnavailable: StatusCode.UNAVAILABLE,
}


def role_name(role: Role.ValueType) -> str:
    """Return a role as tokens spell it: ROLE_OWNER is "owner"."""
    return Role.Name(role).removeprefix("ROLE_").lower()
