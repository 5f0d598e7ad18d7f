"""Log lines carry ids and places, and never the words of a customer."""

import json
import logging
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from services.kernel import telemetry as telemetry_module
from services.kernel.telemetry import JsonLines, telemetry, traceparent, tracer_of

CANARY = "+34 600 111 222"


def line(message: str = "done", *, exc: BaseException | None = None, **extra: object) -> Any:
    info = (type(exc), exc, exc.__traceback__) if exc else None
    record = logging.getLogger("services.test").makeRecord(
        "services.test", logging.INFO, "f", 1, message, (), info, extra=extra
    )
    return json.loads(JsonLines("test").format(record))


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_a_line_says_when_who_and_what() -> None:
    told = line()
    assert set(told) == {"time", "level", "service", "logger", "message"}
    assert (told["level"], told["service"], told["message"]) == ("info", "test", "done")
    assert told["time"].endswith("+00:00")


def test_ids_and_listed_fields_are_written_and_nothing_else() -> None:
    told = line(tenant_id="acme", task_id="t-1", attempt=3, text=CANARY, title=CANARY, user=CANARY)
    assert (told["tenant_id"], told["task_id"], told["attempt"]) == ("acme", "t-1", 3)
    assert CANARY not in str(told)


def test_an_id_that_looks_like_something_else_is_left_out() -> None:
    assert "sender_id" not in line(sender_id="ana@example.com")
    assert "sender_id" not in line(sender_id=CANARY)
    assert "code" not in line(code={"text": CANARY})


def test_of_an_exception_the_place_is_told_and_not_the_words() -> None:
    told = line(exc=raised(ValueError(CANARY)))
    assert told["error"] == "builtins.ValueError"
    assert "raised" in told["stack"][-1]
    assert CANARY not in str(told)


def test_the_words_of_the_operating_system_are_told() -> None:
    assert "refused" in line(exc=raised(ConnectionRefusedError(111, "refused")))["cause"]


def test_each_part_of_a_group_of_exceptions_is_told() -> None:
    group = ExceptionGroup(CANARY, [raised(ValueError(CANARY)), raised(KeyError("k"))])
    told = line(exc=raised(group))
    assert [part["error"] for part in told["errors"]] == [
        "builtins.ValueError",
        "builtins.KeyError",
    ]
    assert CANARY not in str(told)


def test_of_a_library_the_wording_is_told_and_not_the_arguments() -> None:
    record = logging.LogRecord("asyncio", logging.ERROR, "f", 1, "lost %s\n%s", (CANARY, 1), None)
    assert json.loads(JsonLines("test").format(record))["message"] == "lost %s"


def test_a_line_within_a_span_names_its_trace() -> None:
    context = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        told, parent = line(), traceparent()
    assert told["trace_id"] == f"{0xABC:032x}"
    assert told["span_id"] == f"{0xDEF:016x}"
    assert parent == f"00-{0xABC:032x}-{0xDEF:016x}-01"


def test_outside_of_a_span_there_is_no_traceparent() -> None:
    assert traceparent() is None


async def test_several_services_in_a_process_share_one_telemetry() -> None:
    async with telemetry("one", {}), telemetry("two", {}):
        provider = trace.get_tracer_provider()
        async with telemetry("three", {}):
            assert trace.get_tracer_provider() is provider
        with trace.get_tracer("test").start_as_current_span("it"):
            assert traceparent() is not None


def test_no_exporter_is_imported_without_an_endpoint() -> None:
    assert "services.kernel.export" not in sys.modules


@pytest.mark.parametrize(
    ("served", "spans"),
    [
        ("grpc.health.v1.Health/Check", 0),
        ("GET /.well-known/jwks.json", 0),
        ("centralita.dispatch.v1.DispatchService/GetWait", 1),
        ("POST /channels/{tenant_id}/{channel_account_id}/messages", 1),
    ],
)
def test_health_checks_and_key_sets_are_no_spans(
    served: str, spans: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(telemetry_module, "tracer", lambda: provider.get_tracer("tests"))
    tracer_of(served).start_span(served).end()
    assert len(memory.get_finished_spans()) == spans
