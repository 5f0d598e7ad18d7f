"""A handler continues the trace of who published, under a name without ids."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from centralita.dispatch.v1.events_pb2 import TaskQueued
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.kernel import delivery
from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.consume import Later, consuming
from services.kernel.outbox import entry
from services.kernel.wire import Outgoing
from tests.handled import DURABLE, Recorder, queue_task
from tests.streams import until


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(delivery, "tracer", lambda: provider.get_tracer("tests"))
    yield memory
    provider.shutdown()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


async def test_the_span_names_the_template_and_continues_the_trace(
    bus: Bus, tenant: str, spans: InMemorySpanExporter
) -> None:
    async def fail_once(event: TaskQueued) -> None:
        if len(recorder.began) == 1:
            raise RuntimeError("names a customer")

    recorder = Recorder(fail_once)
    with TracerProvider().get_tracer("tests").start_as_current_span("publish") as origin:
        stored = entry(TaskQueued(tenant_id=tenant, task_id="task-1"), utc_now())
    name = "cc.{tenant_id}.dispatch.v1.task.queued.{channel} process"
    async with consuming(bus, recorder.router()):
        await bus.publish(Outgoing(stored["subject"], stored["payload"], stored["headers"]))
        await until(lambda: len(named(spans, name)) == 2)
    failed, done = named(spans, name)
    assert done.kind is trace.SpanKind.CONSUMER
    assert done.context is not None
    assert done.context.trace_id == origin.get_span_context().trace_id
    assert dict(done.attributes or {}) == {
        "messaging.system": "nats",
        "messaging.operation.type": "process",
        "messaging.destination.template": "cc.{tenant_id}.dispatch.v1.task.queued.{channel}",
        "messaging.consumer.group.name": DURABLE,
    }
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "RuntimeError"
    assert "customer" not in failed.to_json()


async def test_to_be_called_later_is_no_error(
    bus: Bus, tenant: str, spans: InMemorySpanExporter
) -> None:
    async def wait_once(event: TaskQueued) -> None:
        if len(recorder.began) == 1:
            raise Later(timedelta())

    recorder = Recorder(wait_once)
    async with consuming(bus, recorder.router()):
        await queue_task(bus, tenant)
        await until(lambda: recorder.done)
    for span in spans.get_finished_spans():
        assert span.status.status_code is trace.StatusCode.UNSET
        assert "error.type" not in (span.attributes or {})
