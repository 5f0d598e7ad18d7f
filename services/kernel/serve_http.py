"""One HTTP server for what is not gRPC: bounded bodies, and every error is the same JSON."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware
from grpc import StatusCode
from opentelemetry import trace

from . import client_network
from .answers import FAULT, Answer, Codes, answer_to
from .telemetry import continued, tracer

log = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
GRACE = 5.0
"""Seconds that running requests have to finish in."""

DRAINING: web.AppKey[asyncio.Event] = web.AppKey("draining", asyncio.Event)
"""Set when the server is about to stop: a long response (SSE) should end itself."""

Routes = Iterable[web.AbstractRouteDef]
Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

HTTP: Mapping[StatusCode, int] = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.ABORTED: 409,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
"""What a gRPC code is called in HTTP (google.rpc.Code); everything else is 500."""

_OF_HTTP: Mapping[int, Answer] = {
    400: Answer(StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST", "The request cannot be read."),
    404: Answer(StatusCode.NOT_FOUND, "ROUTE_NOT_FOUND", "There is nothing at this address."),
    405: Answer(
        StatusCode.UNIMPLEMENTED, "METHOD_NOT_ALLOWED", "This address has other methods; see Allow."
    ),
    413: Answer(StatusCode.INVALID_ARGUMENT, "BODY_TOO_LARGE", "A body has at most 1 MiB."),
}


def problem(
    code: StatusCode,
    reason: str,
    message: str,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Build the one shape of an error. `status` is for HTTP's own, such as 413."""
    body = {"code": code.name, "reason": reason, "message": message}
    return web.json_response(body, status=status or HTTP.get(code, 500), headers=headers)


@asynccontextmanager
async def serving_http(
    address: str,
    routes: Routes,
    *,
    codes: Codes | None = None,
    middlewares: Iterable[Middleware] = (),
    grace: float = GRACE,
) -> AsyncIterator[str]:
    """Serve at host:port (port 0 chooses one) and yield the address that was bound.

    `codes` maps what handlers refuse, as for gRPC. `middlewares` see the finished response of
    every request, errors too (CORS headers belong there).
    """
    app = web.Application(
        client_max_size=LARGEST_BODY,
        middlewares=[_answering({}), *middlewares, _answering(codes or {})],
    )
    app[DRAINING] = asyncio.Event()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace)
    await runner.setup()
    try:
        host, _, port = address.rpartition(":")
        site = web.TCPSite(runner, host.strip("[]") or None, int(port))
        await site.start()
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        app[DRAINING].set()
        await runner.cleanup()


def _answering(codes: Codes) -> Middleware:
    spans = tracer()

    @web.middleware
    async def answer(request: web.Request, handler: Next) -> web.StreamResponse:
        client_network.came_from(request.headers.get(client_network.HEADER, ""))
        route = request.match_info.route.resource
        name = f"{request.method} {route.canonical if route else '*'}"
        with spans.start_as_current_span(
            name,
            continued(request.headers),
            trace.SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ):
            try:
                return await handler(request)
            except web.HTTPException as error:
                return _reworded(error)
            except Exception as error:
                told = answer_to(error, codes)
                if told is FAULT:
                    log.exception("request failed", extra={"method": name})
                elif told.code is StatusCode.UNAVAILABLE:
                    # No stack: in an outage there is one such line for every request.
                    extra = {"method": name, "reason": told.reason, "cause": type(error).__name__}
                    log.warning("request failed", extra=extra)
                return problem(told.code, told.reason, told.message)

    return answer


def _reworded(error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:  # noqa: PLR2004 - a redirection is no error
        raise error
    told = _OF_HTTP.get(error.status, FAULT)
    allow = error.headers.get("Allow")
    return problem(
        told.code,
        told.reason,
        told.message,
        status=error.status if told is not FAULT else 500,
        headers={"Allow": allow} if allow else None,
    )
