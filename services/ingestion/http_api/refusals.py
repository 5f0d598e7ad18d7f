"""Refusals as connectors read them."""

from aiohttp import web

from services.ingestion.domain.refused import RefusedPage
from services.ingestion.messages import rfc3339


def listed(page: RefusedPage) -> web.Response:
    """Answer with the page; `after` goes into the next question as it is."""
    body = {
        "refusals": [
            {
                "providerMessageId": one.provider_message_id,
                "reason": one.reason,
                "refusedAt": rfc3339(one.at),
            }
            for one in page.refused
        ],
        "after": str(page.position),
        "more": page.more,
    }
    return web.json_response(body)
