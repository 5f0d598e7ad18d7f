"""Calls to other services have a deadline, are repeated where that is safe, and say who asks."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, cast

import grpc
from centralita.options.v1.options_pb2 import access as access_option
from google.api.annotations_pb2 import http as http_option  # type: ignore[import-untyped, unused-ignore]  # no stubs
from google.protobuf import descriptor_pool
from grpc import StatusCode
from grpc.aio import ClientCallDetails, Metadata
from opentelemetry import trace

from .telemetry import traceparent, tracer

DEADLINE = 5.0
"""Seconds, all attempts together, when the caller names none."""

TRIES = 4
_FIRST_PAUSE = 0.05

OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # All replicas behind one name get their share.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
)


class ServiceToken:
    """The token this service calls others with; asked for when first needed.

    Renewed when 80 % of its life has passed, by one of its users while the others go on with
    the old one. An error of the directory passes through as it is.
    """

    def __init__(
        self,
        directory_address: str,
        service: str,
        secret: str,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory_address
        self._service = service
        self._secret = secret
        self._now = now
        self._token = ""
        self._renew_at = self._ends_at = float("-inf")
        self._asking = asyncio.Lock()

    async def get(self) -> str:
        if self._now() < self._renew_at:
            return self._token
        if self._now() < self._ends_at and self._asking.locked():
            return self._token
        async with self._asking:
            if self._now() >= self._renew_at:
                try:
                    await self._ask()
                except grpc.aio.AioRpcError:
                    if self._now() >= self._ends_at:
                        raise
            return self._token

    def forget(self, token: str) -> None:
        """Ask again next time, because this token was refused; a newer one is kept."""
        if token == self._token:
            self._renew_at = self._ends_at = float("-inf")

    async def _ask(self) -> None:
        from centralita.directory.v1.session_service_pb2 import (  # noqa: PLC0415 - few need it
            IssueServiceTokenRequest,
        )
        from centralita.directory.v1.session_service_pb2_grpc import (  # noqa: PLC0415 - likewise
            SessionServiceStub,
        )

        asked = self._now()
        async with channel(self._directory) as directory:
            request = IssueServiceTokenRequest(service=self._service, secret=self._secret)
            issued = await SessionServiceStub(directory).IssueServiceToken(request)
        life = issued.expires_in.ToTimedelta().total_seconds()
        self._token = issued.access_token
        self._renew_at, self._ends_at = asked + 0.8 * life, asked + life


@asynccontextmanager
async def channel(
    address: str, *, token: ServiceToken | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to host:port. Connects when first used and reconnects by itself.

    A method is repeated on UNAVAILABLE when its proto says that is safe: it is a GET, it carries
    a request_id, or it is for services only. Streams are never repeated.
    """
    interceptors = [_Unary(token), _Stream(token)]
    opened = grpc.aio.insecure_channel(address, options=OPTIONS, interceptors=interceptors)
    try:
        yield opened
    finally:
        await opened.close()


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, token: ServiceToken | None) -> None:
        self._token = token
        self._tracer = tracer()

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        name = _name(client_call_details)
        ends_at = time.monotonic() + (client_call_details.timeout or DEADLINE)
        tries = TRIES if repeatable(name) else 1
        refused = False
        with _span(self._tracer, name):
            for lap in range(1, tries + 2):
                token = await self._token.get() if self._token else ""
                left = max(0.0, ends_at - time.monotonic())
                call = await continuation(_detailed(client_call_details, token, left), request)
                code = await call.code()
                if code is StatusCode.UNAUTHENTICATED and self._token and not refused:
                    refused = True
                    self._token.forget(token)
                    continue
                pause = random.uniform(0.5, 1.0) * _FIRST_PAUSE * 2 ** (lap - 1)  # noqa: S311 - jitter
                if code is not StatusCode.UNAVAILABLE or lap >= tries or pause >= left:
                    return call
                await asyncio.sleep(pause)
            return call


class _Stream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, token: ServiceToken | None) -> None:
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
