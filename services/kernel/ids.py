"""Names for new things: unique without asking anyone, and sorted by the time they were made."""

import base64
import re
import secrets
import time

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_id() -> str:
    """Return 26 characters of [0-9a-v]: 48 bits of milliseconds, then 80 random bits.

    Ids made in different milliseconds sort by time; within one millisecond the order is random.
    """
    stamp = time.time_ns() // 1_000_000
    raw = stamp.to_bytes(6, "big") + secrets.token_bytes(10)
    return base64.b32hexencode(raw).decode("ascii").rstrip("=").lower()


def is_token(text: str) -> bool:
    """Say whether text is [A-Za-z0-9_-]{1,64} and so may be a part of a subject or a key."""
    return _TOKEN.fullmatch(text) is not None
