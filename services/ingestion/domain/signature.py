"""`Centralita-Signature: t=<unix seconds>,v1=<hex>`: who wrote a body, and when.

The hex is HMAC-SHA256 with the account's secret over `<t>.` and the body, byte for byte. Several
`v1` may follow one `t`: while secrets change, both sides sign with each that is good, and take any.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from .errors import SignatureRefused

HEADER = "Centralita-Signature"
TOLERANCE = timedelta(seconds=300)
_LONGEST_HEADER = 512


def sign(secret: str, body: bytes, at: datetime, *older: str) -> str:
    """Return the value of the header for a body sent now; `older` secrets are still good, too."""
    moment = str(int(at.timestamp()))
    macs = (f"v1={_mac(each, moment, body)}" for each in (secret, *older))
    return ",".join((f"t={moment}", *macs))


def verify(header: str, body: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Raise SignatureRefused unless one of `secrets` signed exactly this body just now."""
    if not header:
        raise SignatureRefused("missing")
    if not any(secrets):
        raise SignatureRefused("the account has no secret")
    moment, given = _parts(header)
    if abs(now.timestamp() - int(moment)) > TOLERANCE.total_seconds():
        raise SignatureRefused("too old or too new")
    for secret in filter(None, secrets):
        expected = _mac(secret, moment, body)
        if any(hmac.compare_digest(expected, one) for one in given):
            return
    raise SignatureRefused("wrong")


def _mac(secret: str, moment: str, body: bytes) -> str:
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def _parts(header: str) -> tuple[str, list[str]]:
    if len(header) > _LONGEST_HEADER or not header.isascii():
        raise SignatureRefused("unreadable")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1"]
    # At most 12 digits: a moment that a clock can tell, and a number cheap to read.
    if len(moments) != 1 or not given or not moments[0].isdigit() or len(moments[0]) > 12:  # noqa: PLR2004 (said above)
        raise SignatureRefused("unreadable")
    return moments[0], given
