"""The chat of a visitor: a session, messages in, replies as a page and as events, and the wait."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing, suppress

from aiohttp import web

from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.messages import position, rfc3339
from services.ingestion.use_cases import AcceptMessage, ReadReplies, Sessions, TellWait
from services.ingestion.use_cases.webchat import StoredReply
from services.kernel.client_network import client_network
from services.kernel.ending import beside, ended
from services.kernel.serve_http import DRAINING, Next

from .answers import Answering, envelope_of, key_of
from .waits import told

log = logging.getLogger(__name__)

Batch = Sequence[StoredReply]

_PREFIX = "/webchat/{tenant_id}/{channel_account_id}"
# Set once an account has said that the page's origin may read the answer.
_ALLOWED = web.RequestKey("allowed_origin", str)


def webchat_routes(
    sessions: Sessions, accept: AcceptMessage, replies: ReadReplies, tell_wait: TellWait
) -> list[web.RouteDef]:
    answering = Answering()

    async def account_of(request: web.Request) -> ChannelAccount:
        origin = request.headers.get("Origin", "")
        account = await sessions.account(key_of(request), origin, request.host)
        request[_ALLOWED] = origin
        return account

    @answering
    async def preflight(request: web.Request) -> web.Response:
        await account_of(request)
        return web.Response(status=204, headers=_PREFLIGHT)

    @answering
    async def open_session(request: web.Request) -> web.Response:
        session = sessions.open(await account_of(request), client_network(), _bearer(request))
        body = {
            "visitorId": session.visitor_id,
            "token": session.token,
            "expiresAt": rfc3339(session.expires_at),
        }
        return web.json_response(body, status=201)

    @answering
    async def send(request: web.Request) -> web.Response:
        await account_of(request)
        envelope = await envelope_of(request)
        duplicate = await accept(Channel.WEBCHAT, key_of(request), envelope)
        return web.json_response({"duplicate": duplicate}, status=202)

    @answering
    async def history(request: web.Request) -> web.Response:
        seen = sessions.recognise(await account_of(request), _bearer(request))
        after = position(request.query.get("after", ""))
        found = await replies.page(seen.visitor, after)
        return web.json_response({"messages": [_shown(one) for one in found]})

    @answering
    async def events(request: web.Request) -> web.StreamResponse:
        seen = sessions.recognise(await account_of(request), _bearer(request))
        resume = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        feed = replies.follow(seen, client_network(), position(resume))
        async with beside(request.app[DRAINING].wait()) as draining, aclosing(feed):
            batch = await _next(feed, draining)
            response = web.StreamResponse(headers=_EVENT_STREAM | _cors(request))
            # A client that has gone is an ordinary end, not a failure.
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write(b"retry: 1000\n\n")
                while batch is not None:
                    await response.write(_framed(batch))
                    batch = await _readable(_next(feed, draining))
        return response

    @answering
    async def wait(request: web.Request) -> web.Response:
        await account_of(request)
        envelope = await envelope_of(request)
        return told(await tell_wait(Channel.WEBCHAT, key_of(request), envelope))

    return [
        web.post(f"{_PREFIX}/sessions", open_session),
        web.post(f"{_PREFIX}/messages", send),
        web.get(f"{_PREFIX}/messages", history),
        web.get(f"{_PREFIX}/events", events),
        web.get(f"{_PREFIX}/wait", wait),
        web.options(f"{_PREFIX}/{{what:sessions|messages|events|wait}}", preflight),
    ]


@web.middleware
async def cross_origin(request: web.Request, handler: Next) -> web.StreamResponse:
    """Let an allowed page read every answer, refusals too."""
    response = await handler(request)
    if not response.prepared:
        response.headers.update(_cors(request))
    return response


_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type, last-event-id",
    "Access-Control-Max-Age": "600",
}
_EVENT_STREAM = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def _cors(request: web.Request) -> dict[str, str]:
    if not request.path.startswith("/webchat/"):
        return {}
    allowed = request.get(_ALLOWED)
    origin = {"Access-Control-Allow-Origin": allowed} if allowed else {}
    return {**origin, "Access-Control-Expose-Headers": "Retry-After", "Vary": "Origin"}


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _shown(reply: StoredReply) -> dict[str, object]:
    return {
        "id": reply.message_id,
        "position": str(reply.position),
        "text": reply.text,
        "sentAt": rfc3339(reply.sent_at),
    }


def _framed(batch: Batch) -> bytes:
    """Frame replies as events; a comment when there are none keeps the connection alive."""
    events = "".join(
        f"id: {one.position}\nevent: reply\ndata: {json.dumps(_shown(one))}\n\n" for one in batch
    )
    return (events or ": alive\n\n").encode()


async def _readable(following: Awaitable[Batch | None]) -> Batch | None:
    """End the stream where the store fails: half an answer cannot become an error any more."""
    try:
        return await following
    except Exception as trouble:
        log.warning("a visitor's stream ends early", exc_info=trouble)
        return None


async def _next(feed: AsyncGenerator[Batch, None], draining: "asyncio.Task[bool]") -> Batch | None:
    """Return the next batch, or None at the end of the token or of this process."""
    following = asyncio.ensure_future(anext(feed, None))
    try:
        await asyncio.wait({following, draining}, return_when=asyncio.FIRST_COMPLETED)
        return following.result() if following.done() else None
    finally:
        if not following.done():
            await ended(following)
