"""One HTTP server for what is not gRPC: bodies bounded and as they came, errors all alike."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware
from grpc import StatusCode
from opentelemetry import trace

from . import client_network
from .answers import FAULT, Answer, Codes, answer_to
from .bodies import Bodies, Body, Ousted
from .causes import cause_of
from .listening import listening
from .telemetry import continued, tracer_of

log = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
SLOWEST_BODY = 10.0
"""Seconds in which a body has to be there."""
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
    408: Answer(StatusCode.DEADLINE_EXCEEDED, "BODY_TOO_SLOW", "The body did not come in time."),
    413: Answer(StatusCode.INVALID_ARGUMENT, "BODY_TOO_LARGE", "A body has at most 1 MiB."),
    415: Answer(
        StatusCode.UNIMPLEMENTED,
        "CONTENT_ENCODING_REFUSED",
        "Send the body as it is: nothing compressed or otherwise encoded is taken.",
    ),
    429: Answer(
        StatusCode.RESOURCE_EXHAUSTED,
        "RATE_LIMITED",
        "Too many requests: wait as Retry-After says.",
    ),
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
async def serving_http(  # noqa: PLR0913 - a server is these things
    address: str,
    routes: Routes,
    *,
    codes: Codes | None = None,
    middlewares: Iterable[Middleware] = (),
    slowest_body: float = SLOWEST_BODY,
    bodies: Bodies | None = None,
    grace: float = GRACE,
) -> AsyncIterator[str]:
    """Serve at host:port (port 0 chooses one) and yield the address that was bound.

    `codes` maps what handlers refuse, as for gRPC. `middlewares` see the finished response of
    every request, errors too (CORS headers belong there).
    """
    app = web.Application(
        client_max_size=LARGEST_BODY,
        middlewares=[
            _answering({}),
            *middlewares,
            _answering(codes or {}),
            _bodies_as_they_came(bodies or Bodies(), slowest_body),
        ],
    )
    app[DRAINING] = asyncio.Event()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace, auto_decompress=False)
    await runner.setup()
    try:
        host, _, port = address.rpartition(":")
        site = web.TCPSite(runner, host.strip("[]") or None, int(port))
        with listening("HTTP_ADDRESS", address):
            await site.start()
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        app[DRAINING].set()
        await runner.cleanup()


def _bodies_as_they_came(bodies: Bodies, slowest: float) -> Middleware:
    @web.middleware
    async def read(request: web.Request, handler: Next) -> web.StreamResponse:
        """Read the body before any handler does: what is packed can unpack to anything."""
        codings = request.headers.getall("Content-Encoding", [])
        if any(coding.strip().lower() != "identity" for coding in codings):
            raise web.HTTPUnsupportedMediaType
        with bodies.held(client_network.client_network()) as body:
            if request.can_read_body:
                whole = await _whole(request, bodies, body, slowest)
                request._read_bytes = whole  # noqa: SLF001 - what `request.read` answers from here on
            return await handler(request)

    return read


async def _whole(request: web.Request, bodies: Bodies, body: Body, slowest: float) -> bytes:
    """Read all of a body, as `request.read` does, and count what comes as it comes."""
    whole = bytearray()
    try:
        async with bodies.arriving(body, slowest):
            while chunk := await request.content.readany():
                bodies.take(body, len(chunk))
                whole += chunk
                if len(whole) > LARGEST_BODY:
                    raise web.HTTPRequestEntityTooLarge(LARGEST_BODY)
    except Ousted:
        raise web.HTTPTooManyRequests from None
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest from None
    return bytes(whole)


def _answering(codes: Codes) -> Middleware:
    @web.middleware
    async def answer(request: web.Request, handler: Next) -> web.StreamResponse:
        client_network.came_from(request.headers.get(client_network.HEADER, ""))
        route = request.match_info.route.resource
        name = f"{request.method} {route.canonical if route else '*'}"
        with tracer_of(name).start_as_current_span(
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
                    extra = {"method": name, "reason": told.reason, "cause": cause_of(error)}
                    log.warning("request failed", extra=extra)
                return problem(told.code, told.reason, told.message)

    return answer


def _reworded(error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:  # noqa: PLR2004 - a redirection is no error
        raise error
    told = _OF_HTTP.get(error.status, FAULT)
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = "1"
    return problem(
        told.code,
        told.reason,
        told.message,
        status=error.status if told is not FAULT else 500,
        headers=headers,
    )
