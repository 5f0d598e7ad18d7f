"""What HTTP needs beyond the table of codes: a status of its own, when to come back, a log line."""

import logging
from collections.abc import Awaitable, Callable
from functools import wraps

from aiohttp import web
from grpc import StatusCode

from services.ingestion.domain import errors
from services.ingestion.use_cases import Envelope
from services.kernel.serve_http import problem

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_COME_BACK = {"Retry-After": "1"}


def answering(handler: Handler) -> Handler:
    """Answer the refusals that carry more than a code; the rest is the table's."""

    @wraps(handler)
    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except errors.SignatureRefused as no:
            log.info("a signature was refused", extra={"cause": no.flaw, **_account(request)})
            raise
        except errors.ChannelAccountNotFound:
            log.info("no such channel account", extra=_account(request))
            raise
        except errors.BodyTooLarge as no:
            return problem(StatusCode.INVALID_ARGUMENT, no.reason, str(no), status=413)
        except errors.RateLimited as no:
            wait = {"Retry-After": str(no.retry_after)}
            return problem(StatusCode.RESOURCE_EXHAUSTED, no.reason, str(no), headers=wait)
        except (errors.BusUnavailable, errors.DependencyUnavailable) as out:
            log.warning("not accepted", extra={"reason": out.reason, **_account(request)})
            return problem(StatusCode.UNAVAILABLE, out.reason, str(out), headers=_COME_BACK)

    return answered


def key_of(request: web.Request) -> tuple[str, str]:
    return request.match_info["tenant_id"], request.match_info["channel_account_id"]


async def envelope_of(request: web.Request) -> Envelope:
    """Take the body byte for byte; the server refuses what is larger than its limit."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Envelope(await request.read(), headers)


def _account(request: web.Request) -> dict[str, str]:
    tenant_id, channel_account_id = key_of(request)
    return {"tenant_id": tenant_id, "channel_account_id": channel_account_id}
