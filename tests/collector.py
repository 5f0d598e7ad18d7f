"""An OpenTelemetry collector that keeps what it is sent."""

# ruff: noqa: N802 - gRPC names its methods so

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2,
    metrics_service_pb2_grpc,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


class Collector(
    trace_service_pb2_grpc.TraceServiceServicer, metrics_service_pb2_grpc.MetricsServiceServicer
):
    def __init__(self) -> None:
        self.received: list[Any] = []

    async def Export(self, request: Any, context: Any) -> Any:
        self.received.append(request)
        if isinstance(request, trace_service_pb2.ExportTraceServiceRequest):
            return trace_service_pb2.ExportTraceServiceResponse()
        return metrics_service_pb2.ExportMetricsServiceResponse()

    @property
    def spans(self) -> list[Any]:
        return [span for _, span in self.told]

    @property
    def told(self) -> list[tuple[str, Any]]:
        """Spans, each with the service that told of it."""
        return [
            (_service(resource), span)
            for request in self.received
            for resource in getattr(request, "resource_spans", ())
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self) -> dict[str, Any]:
        return {
            metric.name: metric
            for request in self.received
            for resource in getattr(request, "resource_metrics", ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def _service(resource: Any) -> str:
    about = {it.key: it.value.string_value for it in resource.resource.attributes}
    return str(about["service.name"])


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    """Run one; yield it with what OTEL_EXPORTER_OTLP_ENDPOINT is to say."""
    collector, server = Collector(), grpc.aio.server()
    untyped: Any = trace_service_pb2_grpc
    untyped.add_TraceServiceServicer_to_server(collector, server)
    untyped = metrics_service_pb2_grpc
    untyped.add_MetricsServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)
