"""A wait as pages and connectors read it."""

import math
from datetime import timedelta

from aiohttp import web

from services.ingestion.domain.wait import Wait


def told(wait: Wait | None) -> web.Response:
    """Answer with whole seconds, the next one: nothing is foretold more exactly than that."""
    if wait is None:
        return web.json_response({"waiting": False})
    body = {
        "waiting": True,
        "position": wait.position,
        "p50Seconds": _seconds(wait.p50),
        "p90Seconds": _seconds(wait.p90),
    }
    return web.json_response(body)


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else math.ceil(span.total_seconds())
