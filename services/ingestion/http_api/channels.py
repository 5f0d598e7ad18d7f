"""The custom channel's webhooks: messages in, replies' fate, the wait, and what was refused."""

from aiohttp import web

from services.ingestion.domain.account import Channel
from services.ingestion.use_cases import AcceptMessage, AcceptStatus, ReadRefusals, TellWait

from .answers import Answering, envelope_of, key_of
from .refusals import listed
from .waits import told

_PREFIX = "/channels/{tenant_id}/{channel_account_id}"


def channel_routes(
    accept: AcceptMessage, report: AcceptStatus, tell_wait: TellWait, read_refusals: ReadRefusals
) -> list[web.RouteDef]:
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

    @answering
    async def wait(request: web.Request) -> web.Response:
        envelope = await envelope_of(request)
        return told(await tell_wait(Channel.CUSTOM, key_of(request), envelope))

    @answering
    async def refusals(request: web.Request) -> web.Response:
        envelope = await envelope_of(request)
        return listed(await read_refusals(Channel.CUSTOM, key_of(request), envelope))

    return [
        web.post(f"{_PREFIX}/messages", messages),
        web.post(f"{_PREFIX}/statuses", statuses),
        web.post(f"{_PREFIX}/wait", wait),
        web.post(f"{_PREFIX}/refusals", refusals),
    ]
