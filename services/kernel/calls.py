"""Every call is admitted, bounded, traced and answered in the same way, whatever it does.

Methods are wrapped once, when they are exposed, instead of passing interceptors at each call:
that costs less, and a request is not even parsed before its caller was admitted.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

import grpc
from centralita.options.v1.options_pb2 import AccessOptions
from grpc import StatusCode
from opentelemetry import trace
from opentelemetry.context import attach

from . import client_network, identity
from .answers import FAULT, Answer, Codes, answer_to, as_status
from .causes import cause_of
from .identity import FOR_EVER, Caller, Guard, TokenExpired
from .telemetry import continued, meter, tracer_of
from .text import TextFlaw, TextInvalid, flaw_in, trim
from .times import TimeInvalid, insist_on_times

log = logging.getLogger(__name__)

UNARY_DEADLINE = 30.0
"""Seconds for a unary call whose client set no deadline."""

TOO_LATE = Answer(
    StatusCode.DEADLINE_EXCEEDED,
    "DEADLINE_EXCEEDED",
    "This took too long; what was asked may have happened.",
)
RECONNECT = Answer(
    StatusCode.UNAVAILABLE, "RECONNECT", "This server is stopping; connect again and go on."
)

_CODES: Codes = {
    **identity.CODES,
    TextInvalid: StatusCode.INVALID_ARGUMENT,
    TimeInvalid: StatusCode.INVALID_ARGUMENT,
}

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Ended(Exception):
    """The kernel itself ends a call."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


@dataclass(slots=True)
class Calls:
    """Wraps the methods of one server and can end its streams."""

    guard: Guard
    codes: Codes
    domain: str
    refused_text: Callable[[TextFlaw], Exception] = TextInvalid
    _streams: set[asyncio.Timeout] = field(default_factory=set)
    _draining: bool = False
    _meter: Any = field(
        default_factory=lambda: meter().create_histogram("rpc.server.call.duration", "s")
    )

    def drain(self) -> None:
        """End every running stream, and each later one, with UNAVAILABLE RECONNECT."""
        self._draining = True
        now = asyncio.get_running_loop().time()
        for running in self._streams:
            running.reschedule(now)

    def wrapped(self, name: str, method: Handler, rule: AccessOptions | None) -> Handler:
        """Return the handler to expose; `name` is package.Service/Method."""
        if method.request_streaming:
            raise NotImplementedError(f"{name} streams requests, and nothing here bounds that")
        spans = tracer_of(name)
        body = self._streaming(method) if method.response_streaming else self._unary(method)

        async def call(raw: bytes, context: Context) -> bytes | None:
            started, code = time.perf_counter(), StatusCode.OK
            metadata = dict(context.invocation_metadata() or ())
            span = spans.start_span(name, continued(metadata), trace.SpanKind.SERVER)
            # For the rest of this task, as the caller is.
            attach(trace.set_span_in_context(span))
            client_network.came_from(str(metadata.get(client_network.HEADER, "")))
            try:
                who = await self.guard.admit(rule, str(metadata.get("authorization", "")))
                identity.be(who)
                return await body(raw, context, who)
            except grpc.aio.AbortError:
                code = StatusCode.UNKNOWN
                raise  # the method has answered by itself
            except asyncio.CancelledError:
                code = StatusCode.CANCELLED
                raise
            except Exception as error:
                answer = self._answer(name, error)
                code = answer.code
                if not answer.expected:  # in no words of its own, which may quote a message
                    span.set_status(trace.StatusCode.ERROR)
                await context.abort_with_status(as_status(answer, self.domain))
                raise
            finally:
                span.end()
                attributes = {"rpc.method": name, "rpc.response.status_code": code.name}
                self._meter.record(time.perf_counter() - started, attributes)

        if method.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                call,
                response_serializer=None
                if inspect.isasyncgenfunction(method.unary_stream)
                else method.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(call)

    def _unary(self, method: Handler) -> Callable[[bytes, Context, Caller], Awaitable[bytes]]:
        behaviour = cast("Callable[[Any, Context], Awaitable[Any]]", method.unary_unary)
        parse = cast("Callable[[bytes], Any]", method.request_deserializer)
        serialize = cast("Callable[[Any], bytes]", method.response_serializer)

        async def body(raw: bytes, context: Context, _: Caller) -> bytes:
            answering = behaviour(self._judged(parse(raw)), context)
            if context.time_remaining() is not None:  # gRPC keeps the deadline of a client
                return serialize(await answering)
            deadline = asyncio.timeout(UNARY_DEADLINE)
            try:
                async with deadline:
                    return serialize(await answering)
            except TimeoutError as late:
                if deadline.expired():
                    raise Ended(TOO_LATE) from late
                raise

        return body

    def _streaming(self, method: Handler) -> Callable[[bytes, Context, Caller], Awaitable[None]]:
        behaviour = cast("Callable[[Any, Context], Any]", method.unary_stream)
        parse = cast("Callable[[bytes], Any]", method.request_deserializer)
        serialize = cast("Callable[[Any], bytes]", method.response_serializer)
        generates = inspect.isasyncgenfunction(behaviour)

        async def body(raw: bytes, context: Context, who: Caller) -> None:
            request = self._judged(parse(raw))
            if self._draining:
                raise Ended(RECONNECT)
            running = asyncio.timeout(_seconds_left(who))
            self._streams.add(running)
            try:
                async with running:
                    if not generates:
                        await behaviour(request, context)
                        return
                    generator: AsyncGenerator[Any, None] = behaviour(request, context)
                    async with aclosing(generator) as messages:
                        async for message in messages:
                            await self.guard.as_of_now(who)
                            await context.write(serialize(message))
            except TimeoutError as end:
                if not running.expired():
                    raise
                if self._draining:
                    raise Ended(RECONNECT) from end
                raise TokenExpired("The token has expired; connect with a new one.") from end
            finally:
                self._streams.discard(running)

        return body

    def _judged(self, request: Any) -> Any:
        """Return a request whose texts and times are good, or raise what refuses the first."""
        trim(request)
        if (flaw := flaw_in(request)) is not None:
            raise self.refused_text(flaw)
        insist_on_times(request)
        return request

    def _answer(self, name: str, error: Exception) -> Answer:
        if isinstance(error, Ended):
            return error.answer
        answer = answer_to(error, {**_CODES, **self.codes})
        if answer is FAULT:
            log.error("call failed", exc_info=error, extra={"method": name})
        elif not answer.expected or answer.code is StatusCode.UNAVAILABLE:
            # No stack: in an outage there is one such line for every call.
            extra = {"method": name, "reason": answer.reason, "cause": cause_of(error)}
            log.warning("call failed", extra=extra)
        return answer


def _seconds_left(who: Caller) -> float | None:
    if who.expires_at == FOR_EVER:
        return None
    return max(0.0, (who.expires_at - datetime.now(UTC)).total_seconds())
