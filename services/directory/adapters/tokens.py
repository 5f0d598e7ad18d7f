"""Access tokens and the key set that verifies them (RFC 7519, RFC 7517, RFC 8037)."""

import base64
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWK

from services.directory.domain.keys import SigningKey
from services.directory.domain.slot import Slot
from services.directory.domain.user import User
from services.directory.use_cases.keys import KeyRing
from services.directory.use_cases.ports import AccessToken
from services.kernel.clock import Clock
from services.kernel.ids import new_id

ALGORITHM = "EdDSA"


class JwtTokens:
    """Signs with the key that signs now."""

    def __init__(
        self, ring: KeyRing, clock: Clock, *, issuer: str, audience: str, lifetime: timedelta
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime

    def for_user(self, user: Slot[User], session_id: str) -> AccessToken:
        if user.value is None:
            raise ValueError("Nobody is there to sign for.")
        return self._signed(
            {
                "sub": user.id,
                "tenant": user.tenant_id,
                "role": user.value.role.name.lower(),
                "ver": user.version,
                "sid": session_id,
            }
        )

    def for_service(self, service: str) -> AccessToken:
        return self._signed({"sub": f"service:{service}", "service": service})

    def _signed(self, who: dict[str, str | int]) -> AccessToken:
        now = self._clock()
        key = self._ring.signer()
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": int(now.timestamp()),
            "exp": int((now + self._lifetime).timestamp()),
            "jti": new_id(),
            **who,
        }
        private = Ed25519PrivateKey.from_private_bytes(key.private)
        text = jwt.encode(claims, private, ALGORITHM, {"kid": key.kid})
        return AccessToken(text, self._lifetime)


class OwnToken:
    """The token the directory calls others with: it needs to ask nobody for one."""

    def __init__(self, tokens: JwtTokens) -> None:
        self._tokens = tokens

    async def get(self) -> str:
        return self._tokens.for_service("directory").text

    def forget(self, token: str) -> None:
        """Nothing to forget: each is a new one."""


def key_set(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """Return the JSON Web Key Set of these keys: public parts only."""
    return {"keys": [_public(key) for key in keys]}


class OwnKeys:
    """The ring as the kernel's guard asks for it. An unknown key may be another replica's."""

    def __init__(self, ring: KeyRing, *, pause: float = 1.0) -> None:
        self._ring = ring
        self._pause = pause
        self._asked = float("-inf")
        self._known: dict[str, PyJWK] = {}

    async def find(self, kid: str) -> PyJWK | None:
        if self._current(kid) is None and time.monotonic() >= self._asked + self._pause:
            self._asked = time.monotonic()
            await self._ring.turn()
        return self._current(kid)

    def _current(self, kid: str) -> PyJWK | None:
        for key in self._ring.published:
            if key.kid == kid:
                # One object per key for good: the guard takes another one for a renewed key.
                if kid not in self._known:
                    self._known[kid] = PyJWK(_public(key))
                return self._known[kid]
        return None


def _public(key: SigningKey) -> dict[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64.urlsafe_b64encode(key.public).decode().rstrip("="),
        "kid": key.kid,
        "alg": ALGORITHM,
        "use": "sig",
    }
