"""Secrets at rest: sealed when the installation has a key, marked plain when it has none."""

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.kernel.env import Misconfigured

_PLAIN, _SEALED = b"p1", b"s1"
_NONCE = 12
_KEY = 32


class SealBroken(RuntimeError):
    """The store holds sealed secrets that KEY_ENCRYPTION_KEY does not open."""


class Seal:
    """AES-256-GCM with one key. What was stored plain before there was a key stays readable."""

    def __init__(self, key: str = "") -> None:
        """Take 32 bytes in base64, or nothing. Raises Misconfigured for anything else."""
        self._cipher = AESGCM(_decoded(key)) if key else None

    def close(self, secret: bytes) -> bytes:
        if self._cipher is None:
            return _PLAIN + secret
        nonce = secrets.token_bytes(_NONCE)
        return _SEALED + nonce + self._cipher.encrypt(nonce, secret, None)

    def open(self, stored: bytes) -> bytes:
        mark, body = bytes(stored[:2]), bytes(stored[2:])
        if mark == _PLAIN:
            return body
        if mark != _SEALED or self._cipher is None:
            raise SealBroken("Stored secrets are sealed: set KEY_ENCRYPTION_KEY.")
        try:
            return self._cipher.decrypt(body[:_NONCE], body[_NONCE:], None)
        except InvalidTag:
            raise SealBroken("Stored secrets were sealed with another key.") from None


def _decoded(key: str) -> bytes:
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != _KEY:
        raise Misconfigured({"KEY_ENCRYPTION_KEY": "must be 32 bytes in base64"})
    return raw
