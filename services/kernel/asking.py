"""A call to another service is bounded, repeated where that is safe, and says who asks."""

import asyncio
import random
import time
from functools import cache
from typing import Any, Protocol, cast

import grpc
from centralita.options.v1.options_pb2 import access as access_option
from google.api.annotations_pb2 import http as http_option  # type: ignore[import-untyped, unused-ignore]  # no stubs
from google.protobuf import descriptor_pool
from grpc import StatusCode
from grpc.aio import ClientCallDetails, Metadata
from opentelemetry import trace

from .telemetry import meter, traceparent, tracer

DEADLINE = 5.0
"""Seconds, all attempts together, when the caller names none."""

TRIES = 4
_FIRST_PAUSE = 0.05


class Token(Protocol):
    """What a service calls others with."""

    async def get(self) -> str:
        """Return a token that is good now."""
        ...

    def forget(self, token: str) -> None:
        """Take note that a token was refused."""
        ...


class Asking(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, token: Token | None) -> None:
        self._token = token
        self._tracer = tracer()
        self._seconds = meter().create_histogram("rpc.client.call.duration", "s")

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        name = _name(client_call_details)
        started = time.monotonic()
        ends_at = started + (client_call_details.timeout or DEADLINE)
        tries = TRIES if repeatable(name) else 1
        refused = False
        with _span(self._tracer, name):
            for lap in range(1, tries + 2):
                token = await self._token.get() if self._token else ""
                left = max(0.0, ends_at - time.monotonic())
                call = await continuation(_detailed(client_call_details, token, left), request)
                try:
                    code = await call.code()
                except asyncio.CancelledError:
                    call.cancel()  # waiting for a code does not hand the cancellation on
                    raise
                if code is StatusCode.UNAUTHENTICATED and self._token and not refused:
                    refused = True
                    self._token.forget(token)
                    continue
                pause = random.uniform(0.5, 1.0) * _FIRST_PAUSE * 2 ** (lap - 1)  # noqa: S311 - jitter
                if code is not StatusCode.UNAVAILABLE or lap >= tries or pause >= left:
                    break
                await asyncio.sleep(pause)
            attributes = {"rpc.method": name, "rpc.response.status_code": code.name}
            self._seconds.record(time.monotonic() - started, attributes)
            return call


class Watching(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, token: Token | None) -> None:
        self._token = token
        self._tracer = tracer()

    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        with _span(self._tracer, _name(client_call_details)):
            token = await self._token.get() if self._token else ""
            details = _detailed(client_call_details, token, client_call_details.timeout)
            return await continuation(details, request)


@cache
def repeatable(name: str) -> bool:
    """Say whether package.Service/Method may be called twice with the effect of once."""
    try:
        method = descriptor_pool.Default().FindMethodByName(name.replace("/", "."))
    except KeyError:
        return False
    options = method.GetOptions()
    asks = options.Extensions[http_option].WhichOneof("pattern") == "get"
    internal = bool(options.Extensions[access_option].services)
    return asks or internal or "request_id" in method.input_type.fields_by_name


def _name(details: ClientCallDetails) -> str:
    method = cast("str | bytes", details.method)
    return (method.decode() if isinstance(method, bytes) else method).lstrip("/")


def _detailed(details: ClientCallDetails, token: str, timeout: float | None) -> ClientCallDetails:
    metadata = Metadata(*(details.metadata or ()))
    if token:
        metadata["authorization"] = f"Bearer {token}"
    if parent := traceparent():
        metadata["traceparent"] = parent
    return ClientCallDetails(
        method=details.method,
        timeout=timeout,
        metadata=metadata,
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
    )


def _span(spans: trace.Tracer, name: str) -> Any:
    return spans.start_as_current_span(
        name,
        kind=trace.SpanKind.CLIENT,
        record_exception=False,
        set_status_on_exception=False,
    )
