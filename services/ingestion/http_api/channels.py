"""The custom channel's webhooks: messages in, and what became of replies."""

from aiohttp import web

from services.ingestion.domain.account import Channel
from services.ingestion.use_cases import AcceptMessage, AcceptStatus

from .answers import Answering, envelope_of, key_of

_PREFIX = "/channels/{tenant_id}/{channel_account_id}"


def channel_routes(accept: AcceptMessage, report: AcceptStatus) -> list[web.RouteDef]:
    answering = Answering()

    @answering
    async def messages(request: web.Request) -> web.Response:
        envelope = await envelope_of(request)
        duplicate = await accept(Channel.CUSTOM, key_of(request), envelope)
        return web.json_response({"duplicate": duplicate}, status=202)

    @answering
    async def statuses(request: web.Request) -> web.Response:
        await report(Channel.CUSTOM, key_of(request), await envelope_of(request))
        return web.json_response({}, status=202)

    return [
        web.post(f"{_PREFIX}/messages", messages),
        web.post(f"{_PREFIX}/statuses", statuses),
    ]
