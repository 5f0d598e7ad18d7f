"""Who is calling, and may they: from the token and the proto's rule, never from the request."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeGuard

import jwt
from centralita.options.v1.options_pb2 import AccessOptions, Role
from centralita.options.v1.options_pb2 import access as access_option
from google.protobuf import descriptor_pool
from grpc import StatusCode
from jwt import PyJWK

from .answers import NO_DETAILS
from .ids import is_token
from .keys import ALGORITHMS, Keys, KeysUnavailable

LEEWAY = timedelta(seconds=5)
"""How far the clocks of two machines may be apart."""

_MOST_REMEMBERED = 10_000
FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes the running call. A service has no tenant, user or role; a user no service."""

    tenant_id: str = ""
    user_id: str = ""
    role: Role.ValueType = Role.ROLE_UNSPECIFIED
    service: str = ""
    expires_at: datetime = FOR_EVER


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
    RoleTooLow: StatusCode.PERMISSION_DENIED,
    ServiceNotAllowed: StatusCode.PERMISSION_DENIED,
    RuleMissing: StatusCode.PERMISSION_DENIED,
    KeysUnavailable: StatusCode.UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Claims:
    """Names of the claims, for issuers that call them otherwise."""

    tenant: str = "tenant"
    user: str = "sub"
    role: str = "role"
    service: str = "service"


def rules_of(service: str) -> dict[str, AccessOptions]:
    """Return the access rule of each method of a gRPC service that has one, by method name."""
    described = descriptor_pool.Default().FindServiceByName(service)
    return {
        method.name: method.GetOptions().Extensions[access_option]
        for method in described.methods
        if method.GetOptions().HasExtension(access_option)
    }


class Guard:
    """Judges tokens. One per server; remembers the last ones it found good."""

    def __init__(
        self, keys: Keys, issuer: str, audience: str = "centralita", claims: Claims | None = None
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._claims = claims or Claims()
        self._known: dict[str, tuple[Caller, str, PyJWK]] = {}

    async def admit(self, rule: AccessOptions | None, authorization: str) -> Caller:
        """Return the caller, or raise what refuses them. Without a rule nobody is admitted."""
        if rule is None:
            raise RuleMissing("This method has no access rule, so nobody may call it.")
        if rule.anyone:
            return ANYONE
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenMissing("Send a token in the authorization header, as Bearer.")
        who = await self.verify(token.strip())
        _check(rule, who)
        return who

    async def verify(self, token: str) -> Caller:
        """Return whom a token speaks for, or raise TokenInvalid, TokenExpired, KeysUnavailable."""
        known = self._known.get(token)
        if known is not None:
            who, kid, was = known
            # A key that was withdrawn or renewed is another object: judge the token again.
            if who.expires_at > datetime.now(UTC) and await self._keys.find(kid) is was:
                return who
            self._known.pop(token, None)
        try:
            kid = str(jwt.get_unverified_header(token).get("kid", ""))
            key = await self._keys.find(kid)
            if key is None:
                raise TokenInvalid("The token is signed with an unknown key.")
            who = self._read(token, key)
        except jwt.ExpiredSignatureError:
            raise TokenExpired("The token has expired; get a new one.") from None
        except (jwt.PyJWTError, ValueError, OverflowError, TypeError):
            raise TokenInvalid("The token is not valid here.") from None
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[token] = who, kid, key
        return who

    def _read(self, token: str, key: PyJWK) -> Caller:
        if key.algorithm_name not in ALGORITHMS:
            raise TokenInvalid("The token is signed with an unknown key.")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],  # the key decides, never the token's header
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        names = self._claims
        user_id = claims.get(names.user)
        if names.service in claims:
            service = claims[names.service]
            if not _is_name(service) or user_id != f"service:{service}":
                raise TokenInvalid("The token names no service.")
            return Caller(service=service, expires_at=expires_at)
        tenant_id, role = claims.get(names.tenant), claims.get(names.role)
        if not _is_name(tenant_id) or not _is_name(user_id):
            raise TokenInvalid("The token names no tenant or no user.")
        return Caller(tenant_id, user_id, _rank(role), expires_at=expires_at)


def role_name(role: Role.ValueType) -> str:
    """Return a role as tokens spell it: ROLE_OWNER is "owner"."""
    return Role.Name(role).removeprefix("ROLE_").lower()


def _rank(role: object) -> Role.ValueType:
    ranks = {role_name(rank): rank for rank in Role.values() if rank}
    if not isinstance(role, str) or role not in ranks:
        raise TokenInvalid("The token names no role we know.")
    return ranks[role]


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and is_token(value)


def _check(rule: AccessOptions, who: Caller) -> None:
    if who.service:
        if who.service not in rule.services:
            raise ServiceNotAllowed("This service may not call this method.")
    elif rule.least_role == Role.ROLE_UNSPECIFIED:
        raise ServiceNotAllowed("Only services of the installation may call this method.")
    elif who.role < rule.least_role:
        least = role_name(rule.least_role)
        raise RoleTooLow(f"This needs the role {least} or above.", {"leastRole": least})
