"""Keys and tokens as the directory would issue them, for any caller a test needs."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from services.kernel.identity import Guard
from services.kernel.keys import FixedKeys

ISSUER = "https://issuer.test"
AUDIENCE = "centralita"


@dataclass(frozen=True)
class Issuer:
    """A trust root of its own: `guard()` believes what `user()` and `service()` say."""

    kid: str = "test-key"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def jwks(self) -> dict[str, Any]:
        public = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "EdDSA"}]}

    def guard(self) -> Guard:
        return Guard(FixedKeys(self.jwks), issuer=ISSUER)

    def user(
        self,
        tenant_id: str = "acme",
        user_id: str = "ana",
        role: str = "agent",
        **claims: object,
    ) -> str:
        """Return a token of a user, good for 15 minutes. Claims override; None removes one."""
        return self.token({"sub": user_id, "tenant": tenant_id, "role": role, **claims})

    def service(self, name: str, **claims: object) -> str:
        """Return a token of a service of the installation."""
        return self.token({"sub": f"service:{name}", "service": name, **claims})

    def token(self, claims: Mapping[str, object]) -> str:
        now = int(time.time())
        whole = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 900, **claims}
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, self.key, algorithm="EdDSA", headers={"kid": self.kid})


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return call metadata that carries a token: `stub.Get(request, metadata=bearer(token))`."""
    return (("authorization", f"Bearer {token}"),)


@dataclass
class KeyServer:
    """A JWKS endpoint. `document` may be changed; `down` makes it fail; `asked` counts."""

    url: str
    document: object
    down: bool = False
    asked: int = 0


@asynccontextmanager
async def key_server(document: object) -> AsyncIterator[KeyServer]:
    """Serve a key set on a port of its own."""
    server = KeyServer("", document)

    async def answer(_: web.Request) -> web.Response:
        server.asked += 1
        if server.down:
            raise web.HTTPServiceUnavailable
        return web.json_response(server.document)

    app = web.Application()
    app.router.add_get("/.well-known/jwks.json", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        server.url = f"http://127.0.0.1:{port}/.well-known/jwks.json"
        yield server
    finally:
        await runner.cleanup()
