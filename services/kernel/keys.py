"""The keys that verify tokens: fetched from the one trust root, kept through its outages."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from jwt import PyJWK

from .answers import NO_DETAILS
from .causes import cause_of

log = logging.getLogger(__name__)

ALGORITHMS = frozenset({"EdDSA", "ES256", "RS256"})
"""Asymmetric only: with a symmetric one, everybody who can verify could also sign."""

_LEAST_RSA_BITS = 2048
_LARGEST_DOCUMENT = 256 * 1024


class KeysUnavailable(Exception):
    """No key was ever fetched, so no token can be judged. Try again."""

    reason: ClassVar[str] = "KEYS_UNAVAILABLE"
    details: Mapping[str, str] = NO_DETAILS


class Keys(Protocol):
    async def find(self, kid: str) -> PyJWK | None:
        """Return the public key of that id; None when there is none; raise KeysUnavailable."""
        ...


def usable_keys(document: object) -> dict[str, PyJWK]:
    """Read a JSON Web Key Set; leave out what is unnamed, symmetric, weak, or not for signing."""
    entries = document.get("keys") if isinstance(document, Mapping) else None
    keys: dict[str, PyJWK] = {}
    for entry in entries if isinstance(entries, Sequence) else ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK(entry)
        except Exception:  # noqa: BLE001, S112 - what cannot be read is no key of ours
            continue
        strong = key.key_type != "RSA" or key.key.key_size >= _LEAST_RSA_BITS
        if key.key_id and key.algorithm_name in ALGORITHMS and strong:
            keys[key.key_id] = key
    return keys


class FixedKeys:
    """A key set that is at hand: the issuer's own, or a test's."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._keys = usable_keys(document)

    async def find(self, kid: str) -> PyJWK | None:
        return self._keys.get(kid)


class Jwks:
    """Keys behind an http(s) address. Needs no closing: it holds no connection open.

    An unknown key id asks again, at most once in `pause` seconds; every `fresh` seconds the
    set is renewed beside the traffic, so that a withdrawn key stops working. A failed fetch
    keeps the keys there are.
    """

    def __init__(self, url: str, *, pause: float = 1.0, fresh: float = 300.0) -> None:
        self._url = url
        self._pause = pause
        self._fresh = fresh
        self._keys: dict[str, PyJWK] = {}
        self._asked = float("-inf")
        self._fetched = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> PyJWK | None:
        if kid not in self._keys:
            fetching = self._fetch_soon()
            if fetching is not None:
                await asyncio.shield(fetching)
        elif time.monotonic() > self._fetched + self._fresh:
            self._fetch_soon()
        if not self._keys:
            raise KeysUnavailable("The keys that verify tokens cannot be reached; try again.")
        return self._keys.get(kid)

    def _fetch_soon(self) -> asyncio.Task[None] | None:
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if time.monotonic() < self._asked + self._pause:
            return None
        self._asked = time.monotonic()
        self._fetching = asyncio.get_running_loop().create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        import aiohttp  # noqa: PLC0415 - eight megabytes that a process with its own keys spares

        timeout = aiohttp.ClientTimeout(total=3.0)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._url, allow_redirects=False) as response,
            ):
                response.raise_for_status()
                document = json.loads(await _whole(response.content.iter_any()))
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as trouble:
            log.warning("keys not fetched", extra={"cause": cause_of(trouble)})
            return
        keys = usable_keys(document)
        if keys:
            self._keys = keys
            self._fetched = time.monotonic()
        else:
            log.warning("key set has no usable key")


async def _whole(parts: AsyncIterable[bytes]) -> bytes:
    """Put the parts of a document together; ValueError when it is larger than any key set."""
    whole = bytearray()
    async for part in parts:
        whole += part
        if len(whole) > _LARGEST_DOCUMENT:
            raise ValueError("larger than any key set")
    return bytes(whole)
