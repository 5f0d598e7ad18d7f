"""What a handler may know about the delivery it handles, and the span it runs in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.msg import Msg
from opentelemetry import propagate, trace

_tracer = trace.get_tracer("centralita.kernel")
_current: ContextVar["EventMeta"] = ContextVar("delivery")


@dataclass(frozen=True, slots=True)
class EventMeta:
    """One delivery: `delivered` counts from 1, `at` is when the event was made."""

    event_id: str
    at: datetime
    stream_sequence: int
    delivered: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes


def meta() -> EventMeta:
    """Return the delivery the running handler was called for; LookupError outside of one."""
    return _current.get()


@contextmanager
def delivery(message: Msg, *, template: str, durable: str) -> Iterator[None]:
    """Run a handler: meta() answers, and its span continues the publisher's trace."""
    headers = message.headers or {}
    token = _current.set(_meta(message, headers))
    try:
        with _tracer.start_as_current_span(
            f"{template} process",
            context=propagate.extract(headers),
            kind=trace.SpanKind.CONSUMER,
            record_exception=False,  # its text may hold what must not leave the process
            set_status_on_exception=False,
            attributes={
                "messaging.system": "nats",
                "messaging.operation.type": "process",
                "messaging.destination.template": template,
                "messaging.consumer.group.name": durable,
            },
        ) as span:
            try:
                yield
            except Exception as trouble:
                span.set_attribute("error.type", type(trouble).__qualname__)
                span.set_status(trace.StatusCode.ERROR)
                raise
    finally:
        _current.reset(token)


def _meta(message: Msg, headers: Mapping[str, str]) -> EventMeta:
    known = message.metadata
    return EventMeta(
        event_id=headers.get("ce-id") or headers.get("Nats-Msg-Id", ""),
        at=_made(headers.get("ce-time", ""), known.timestamp),
        stream_sequence=known.sequence.stream,
        delivered=known.num_delivered,
        subject=message.subject,
        headers=headers,
        payload=message.data,
    )


def _made(written: str, stored: datetime) -> datetime:
    """Prefer the publisher's time; what cannot be read falls back on the stream's."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return stored
    return at if at.tzinfo else at.replace(tzinfo=UTC)
