"""A token is believed when the trust root signed it for us and it says whom it speaks for."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

import jwt
from centralita.options.v1.options_pb2 import Role
from jwt import PyJWK

from .callers import Caller, TokenExpired, TokenInvalid, role_name
from .ids import is_token
from .keys import ALGORITHMS, Keys

LEEWAY = timedelta(seconds=5)
"""How far the clocks of two machines may be apart."""

_MOST_REMEMBERED = 50_000
"""About a kilobyte each."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Names of the claims, for issuers that call them otherwise."""

    tenant: str = "tenant"
    user: str = "sub"
    role: str = "role"
    service: str = "service"
    session: str = "sid"
    version: str = "ver"


class Tokens:
    """Judges tokens, and remembers the last ones it found good: a signature costs 0.1 ms."""

    def __init__(self, keys: Keys, issuer: str, audience: str, claims: Claims) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._claims = claims
        self._known: OrderedDict[str, tuple[Caller, str, PyJWK]] = OrderedDict()

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
        except (jwt.PyJWTError, ValueError, OverflowError, TypeError, RecursionError):
            raise TokenInvalid("The token is not valid here.") from None
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.popitem(last=False)
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
        session_id, version = claims.get(names.session), claims.get(names.version)
        return Caller(
            tenant_id,
            user_id,
            _rank(role),
            expires_at=expires_at,
            session_id=session_id if _is_name(session_id) else "",
            user_version=version if isinstance(version, int) else None,
        )


def _rank(role: object) -> Role.ValueType:
    ranks = {role_name(rank): rank for rank in Role.values() if rank}
    if not isinstance(role, str) or role not in ranks:
        raise TokenInvalid("The token names no role we know.")
    return ranks[role]


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and is_token(value)
