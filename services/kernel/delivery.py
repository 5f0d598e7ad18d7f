"""What a handler may know about the delivery it handles, and the span it runs in."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.msg import Msg
from opentelemetry import trace
from opentelemetry.context import attach

from .settle import Later
from .telemetry import continued, meter, tracer

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


class Deliveries:
    """The deliveries of one consumer, measured under its subject's template."""

    def __init__(self, template: str, durable: str) -> None:
        self._name = f"{template} process"
        self._about = {
            "messaging.system": "nats",
            "messaging.operation.type": "process",
            "messaging.destination.template": template,
            "messaging.consumer.group.name": durable,
        }
        self._tracer = tracer()
        self._took = meter().create_histogram("messaging.process.duration", "s")
        self._waited = meter().create_histogram("centralita.delivery.age", "s")

    @contextmanager
    def handling(self, message: Msg) -> Iterator[None]:
        """Run a handler: meta() answers, and its span continues the publisher's trace.

        Both hold for the rest of the task, of which each delivery has its own.
        """
        headers = message.headers or {}
        began, about = time.perf_counter(), self._about
        stored = message.metadata.timestamp
        self._waited.record(max(0.0, time.time() - stored.timestamp()), about)
        span = self._tracer.start_span(
            self._name, continued(headers), trace.SpanKind.CONSUMER, about
        )
        attach(trace.set_span_in_context(span))
        _current.set(_meta(message, headers))
        try:
            yield
        except Later:
            raise  # no trouble
        except Exception as trouble:
            # Its type and no words: they may hold what must not leave the process.
            about = about | {"error.type": type(trouble).__qualname__}
            span.set_attribute("error.type", type(trouble).__qualname__)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.end()
            self._took.record(time.perf_counter() - began, about)


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
