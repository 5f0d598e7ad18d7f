"""The token of a visitor of a web page: nobody signs in, yet nobody reads another's replies.

`<visitor id>.<unix seconds of issue>.<hex>`, the hex an HMAC-SHA256 with the account's secret
over tenant, account, visitor and moment. It opens one visitor's chat on one account for LIFETIME
and can be exchanged for a fresh one until RENEWABLE, after which the replies are gone as well.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .errors import VisitorTokenRefused

LIFETIME = timedelta(days=1)
RENEWABLE = timedelta(days=7)
_SKEW = timedelta(seconds=60)
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Visitor:
    """One browser, known by an id of ours and nothing else."""

    tenant_id: str
    channel_account_id: str
    visitor_id: str

    def __str__(self) -> str:
        return f"{self.tenant_id}/{self.channel_account_id}/{self.visitor_id}"


@dataclass(frozen=True, slots=True)
class Pass:
    """A token that was verified: whose, and until when it opens the chat."""

    visitor: Visitor
    expires_at: datetime


def issue(visitor: Visitor, secret: str, now: datetime) -> str:
    moment = str(int(now.timestamp()))
    return f"{visitor.visitor_id}.{moment}.{_mac(visitor, moment, secret)}"


def verify(
    token: str,
    account: tuple[str, str],
    secrets: Sequence[str],
    now: datetime,
    lifetime: timedelta = LIFETIME,
) -> Pass:
    """Raise VisitorTokenRefused unless the token is genuine, of this account and not too old."""
    visitor_id, _, rest = token.partition(".")
    moment, _, given = rest.partition(".")
    if not (moment.isascii() and moment.isdigit() and given.isascii()) or (
        len(moment) > _MOST_DIGITS
    ):
        raise _refused("unreadable")
    visitor = Visitor(*account, visitor_id)
    expected = [_mac(visitor, moment, secret) for secret in secrets if secret]
    if not any(hmac.compare_digest(one, given) for one in expected):
        raise _refused("wrong")
    issued_at = datetime.fromtimestamp(int(moment), UTC)
    if not issued_at - _SKEW <= now < issued_at + lifetime:
        raise _refused("expired")
    return Pass(visitor, issued_at + lifetime)


def _mac(visitor: Visitor, moment: str, secret: str) -> str:
    # The label keeps a token from ever being a signature of something else, and back.
    body = f"webchat-visitor:{visitor}:{moment}"
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


def _refused(flaw: str) -> VisitorTokenRefused:
    return VisitorTokenRefused(
        "The visitor's token is missing, wrong or expired: ask for a new one at .../sessions.",
        flaw=flaw,
    )
