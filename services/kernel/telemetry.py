"""What a process tells its operators: traces, metrics and logs that carry ids and nothing else.

Without OTEL_EXPORTER_OTLP_ENDPOINT nothing leaves the process and no exporter is imported, but
traces are still named, so that log lines of one call can be found together.
"""

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .causes import cause_of

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds. The advised ones start at 5 ms, which is slower than most of what we do."""

ALLOWED = frozenset(
    (
        "address",
        "attempt",
        "attempts",
        "cause",
        "code",
        "consumer",
        "count",
        "delay",
        "method",
        "reason",
        "seconds",
        "sequence",
        "shard",
        "signal",
        "status",
        "stream",
        "subject",
    )
)
"""Extra log fields that are written besides ids; `subject` is a template."""

_ID = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_propagator = TraceContextTextMapPropagator()


@asynccontextmanager
async def telemetry(service: str, env: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Log as `service` and, when an endpoint is set, export. A second one in a process is idle."""
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        yield
        return
    if not env.get(ENDPOINT):
        trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
        yield
        return
    from .export import exporting  # noqa: PLC0415 - heavy, and only for those who export

    async with exporting(service, BUCKETS):
        yield


def traceparent() -> str | None:
    """Return the W3C traceparent of the running span, or None outside of one."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def continued(headers: Mapping[str, Any]) -> Context:
    """Return the context in which a span continues the trace that these headers name, if any."""
    return _propagator.extract(headers)


def log_as(service: str, level: str = "INFO") -> None:
    """Write the log of this process to stderr, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("services").setLevel(level.upper())


class JsonLines(logging.Formatter):
    """One JSON object a line. Of an exception: its type, code and place, not its words.

    The words of an exception may quote a message or a name. Those of an OSError come from the
    operating system, and an operator needs them. Of what libraries log the wording is kept, not
    the arguments: they like to show the objects that went wrong.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": _message(record),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = format_trace_id(span.trace_id)
            line["span_id"] = format_span_id(span.span_id)
        line |= {name: value for name, value in vars(record).items() if _may_be_told(name, value)}
        if record.exc_info and record.exc_info[1] is not None:
            told = _told(record.exc_info[1])
            line |= {name: value for name, value in told.items() if name not in line}
        return json.dumps(line, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] in {"services", "__main__"}:
        return record.getMessage()
    return str(record.msg).partition("\n")[0]


def _may_be_told(name: str, value: object) -> bool:
    if name in ALLOWED:
        return isinstance(value, str | bool | int | float)
    return name.endswith("_id") and isinstance(value, str) and _ID.fullmatch(value) is not None


def _told(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)
    told: dict[str, object] = {
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "stack": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    told["cause"] = str(error) if isinstance(error, OSError) else cause_of(error)
    if isinstance(error, BaseExceptionGroup):
        told["errors"] = [_told(part) for part in error.exceptions]
    return told


def meter() -> metrics.Meter:
    """Return the meter all metrics of ours are made with."""
    return metrics.get_meter("centralita")


def tracer() -> trace.Tracer:
    """Return the tracer all spans of ours are made with."""
    return trace.get_tracer("centralita")


def tracer_of(served: str) -> trace.Tracer:
    """Return the tracer of a served method or route. Health checks and key sets are no spans."""
    return _silent if served.startswith(_UNTRACED) else tracer()


_silent = trace.NoOpTracer()
_UNTRACED = ("grpc.health.", "GET /.well-known/")
