"""The key set over HTTP, for every verifier: our services, the edge, and anybody else's."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

JWKS_PATH = "/.well-known/jwks.json"
CACHE_SECONDS = 300
"""Far less than the lead of a new key, so that no cache misses it."""


def routes(key_set: Callable[[], dict[str, Any]]) -> list[web.RouteDef]:
    async def keys(_request: web.Request) -> web.Response:
        cached = {"Cache-Control": f"public, max-age={CACHE_SECONDS}"}
        return web.json_response(key_set(), headers=cached)

    return [web.get(JWKS_PATH, keys)]
