"""Page tokens: opaque to those who page, and read back as if a stranger had made them up.

What is no token is a ValueError, for which each service has its own word.
"""

from base64 import b64decode, urlsafe_b64encode

MOST = 2**63 - 1
"""The last number that the stores and the bus count to."""
_MOST_DIGITS = len(str(MOST))


def encode(place: str) -> str:
    return urlsafe_b64encode(place.encode()).decode().rstrip("=")


def decode(token: str) -> str:
    """Return the place; ValueError for what `encode` never returns."""
    padded = token + "=" * (-len(token) % 4)
    return b64decode(padded, altchars=b"-_", validate=True).decode()


def number(text: str) -> int:
    """Read a number of a place, from 0 to MOST; ValueError for any other text."""
    if len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()) or int(text) > MOST:
        raise ValueError("no number of a page token")
    return int(text)
