"""What a dead letter looks like: the original message, and why nobody took it."""

from collections.abc import Mapping
from datetime import datetime

from .wire import Outgoing

STREAM = "DEAD"
PREFIX = "Dead-"
MSG_ID = "Nats-Msg-Id"


def dead_letter(  # noqa: PLR0913 - the facts of a death, each by its name
    subject: str,
    payload: bytes,
    headers: Mapping[str, str],
    *,
    stream: str,
    consumer: str,
    sequence: int,
    deliveries: int,
    cause: str,
    at: datetime,
) -> Outgoing:
    """Wrap a message that was given up. One (stream, consumer, sequence) is one letter."""
    kept = {
        name: value for name, value in headers.items() if not name.startswith(("Nats-", PREFIX))
    }
    about = {
        MSG_ID: f"dead:{stream}:{consumer}:{sequence}",
        "Dead-Subject": subject,
        "Dead-Stream": stream,
        "Dead-Consumer": consumer,
        "Dead-Sequence": str(sequence),
        "Dead-Deliveries": str(deliveries),
        "Dead-Cause": cause,
        "Dead-At": at.isoformat(timespec="milliseconds"),
        "Dead-Msg-Id": headers.get(MSG_ID, ""),
    }
    return Outgoing(f"dead.{stream}.{consumer}", payload, kept | about)


def revived(payload: bytes, headers: Mapping[str, str], *, msg_id: str) -> Outgoing:
    """Return the original message under a new Nats-Msg-Id; its event id stays."""
    kept = {
        name: value for name, value in headers.items() if not name.startswith(("Nats-", PREFIX))
    }
    return Outgoing(headers["Dead-Subject"], payload, kept | {MSG_ID: msg_id})
