"""Who is calling, and may they: from the token and the proto's rule, never from the request."""

from centralita.options.v1.options_pb2 import AccessOptions
from centralita.options.v1.options_pb2 import access as access_option
from google.protobuf import descriptor_pool

from .callers import (
    ANYONE,
    CODES,
    FOR_EVER,
    Caller,
    NotAdmitted,
    RoleTooLow,
    RuleMissing,
    ServiceNotAllowed,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    acting_as,
    be,
    caller,
    role_name,
)
from .keys import Keys
from .standing import Standing, Unheard
from .tokens import Claims, Tokens

__all__ = [
    "ANYONE",
    "CODES",
    "FOR_EVER",
    "Caller",
    "Claims",
    "Guard",
    "NotAdmitted",
    "RoleTooLow",
    "RuleMissing",
    "ServiceNotAllowed",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "TokenRevoked",
    "acting_as",
    "be",
    "caller",
    "role_name",
    "rules_of",
]


def rules_of(service: str) -> dict[str, AccessOptions]:
    """Return the access rule of each method of a gRPC service that has one, by method name."""
    described = descriptor_pool.Default().FindServiceByName(service)
    return {
        method.name: method.GetOptions().Extensions[access_option]
        for method in described.methods
        if method.GetOptions().HasExtension(access_option)
    }


class Guard:
    """Admits callers to methods. One per server.

    `claims` names an issuer's own claims; `standing` knows who was removed or signed out since.
    """

    def __init__(
        self,
        keys: Keys,
        issuer: str,
        audience: str = "centralita",
        claims: Claims | None = None,
        standing: Standing | None = None,
    ) -> None:
        self._tokens = Tokens(keys, issuer, audience, claims or Claims())
        self._standing = standing or Unheard()

    async def admit(self, rule: AccessOptions | None, authorization: str) -> Caller:
        """Return the caller, or raise what refuses them. Without a rule nobody is admitted."""
        if rule is None:
            raise RuleMissing("This method has no access rule, so nobody may call it.")
        if rule.anyone:
            return ANYONE
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenMissing("Send a token in the authorization header, as Bearer.")
        who = await self.as_of_now(await self.verify(token.strip()))
        _check(rule, who)
        return who

    async def as_of_now(self, who: Caller) -> Caller:
        """Return a caller with the rank they have now, or raise TokenRevoked."""
        return await self._standing.of(who) if who.user_id else who

    async def verify(self, token: str) -> Caller:
        """Return whom a token speaks for, or raise TokenInvalid, TokenExpired, KeysUnavailable."""
        return await self._tokens.verify(token)


def _check(rule: AccessOptions, who: Caller) -> None:
    if who.service:
        if who.service not in rule.services:
            raise ServiceNotAllowed("This service may not call this method.")
    elif not rule.least_role:
        raise ServiceNotAllowed("Only services of the installation may call this method.")
    elif who.role < rule.least_role:
        least = role_name(rule.least_role)
        raise RoleTooLow(f"This needs the role {least} or above.", {"leastRole": least})
