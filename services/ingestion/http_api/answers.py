"""What HTTP needs beyond the table of codes: its own 413, when to come back, a note of each."""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import wraps

from aiohttp import web
from grpc import StatusCode

from services.ingestion.domain import errors
from services.ingestion.domain.rates import Limiter, Rate
from services.ingestion.use_cases import Envelope
from services.kernel.client_network import client_network
from services.kernel.serve_http import problem
from services.kernel.telemetry import meter

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_COME_BACK = {"Retry-After": "1"}
_LINES = Rate(per_second=1, burst=10)


class Answering:
    """Decorates handlers: answers the refusals that carry more than a code, and notes each one.

    All are counted; of each account only so many a second are logged, whoever floods us.
    """

    def __init__(self) -> None:
        self._refused = meter().create_counter("centralita.ingestion.refused")
        self._lines = Limiter(_LINES, most_keys=1000)

    def __call__(self, handler: Handler) -> Handler:
        @wraps(handler)
        async def answered(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except errors.IngestionError as no:
                self._note(request, no)
                if (answer := _special(no)) is None:
                    raise
                return answer

        return answered

    def _note(self, request: web.Request, no: errors.IngestionError) -> None:
        cause = no.flaw if isinstance(no, errors.SignatureRefused) else ""
        self._refused.add(1, {"reason": no.reason, "cause": cause})
        tenant_id, channel_account_id = key_of(request)
        try:
            self._lines.take(f"{tenant_id}/{channel_account_id}", time.monotonic())
        except errors.RateLimited:
            return
        about = {"reason": no.reason, "cause": cause, "tenant_id": tenant_id}
        log.info("not accepted", extra={**about, "channel_account_id": channel_account_id})


def _special(no: errors.IngestionError) -> web.Response | None:
    """Return the answer that needs more than its code, None for what the table says in full."""
    match no:
        case errors.BodyTooLarge():
            return problem(StatusCode.INVALID_ARGUMENT, no.reason, str(no), status=413)
        case errors.RateLimited():
            wait = {"Retry-After": str(no.retry_after)}
            return problem(StatusCode.RESOURCE_EXHAUSTED, no.reason, str(no), headers=wait)
        case errors.BusUnavailable() | errors.DependencyUnavailable():
            return problem(StatusCode.UNAVAILABLE, no.reason, str(no), headers=_COME_BACK)
    return None


def key_of(request: web.Request) -> tuple[str, str]:
    return request.match_info["tenant_id"], request.match_info["channel_account_id"]


async def envelope_of(request: web.Request) -> Envelope:
    """Take the body byte for byte; the server refuses what is larger than its limit."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Envelope(await request.read(), headers, client_network())
