"""Traces and metrics leave by OTLP. Imported only where an endpoint is set."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


@asynccontextmanager
async def exporting(service: str, buckets: Sequence[float]) -> AsyncIterator[None]:
    """Set the providers of this process; on exit send what is left, off the loop."""
    resource = Resource.create({"service.name": service, "service.namespace": "centralita"})
    spans = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    view = View(
        instrument_type=Histogram, aggregation=ExplicitBucketHistogramAggregation(list(buckets))
    )
    numbers = MeterProvider(
        metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())],
        resource=resource,
        views=[view],
        shutdown_on_exit=False,
    )
    trace.set_tracer_provider(spans)
    metrics.set_meter_provider(numbers)
    try:
        yield
    finally:
        await asyncio.to_thread(spans.shutdown)
        await asyncio.to_thread(numbers.shutdown)
