"""A real edge that a test can knock at, with stand-ins for the services behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]  # no stubs
from grpc_status import rpc_status

from tests.tokens import bearer
from tests.upstreams import Upstreams, envoy, upstreams


@dataclass
class Door:
    behind: Upstreams
    address: str
    http: aiohttp.ClientSession
    channel: grpc.aio.Channel
    log: Path

    async def ask(self, verb: str, path: str, **more: Any) -> tuple[int, bytes]:
        async with self.http.request(verb, f"http://{self.address}{path}", **more) as answer:
            return answer.status, await answer.read()

    async def refusal(self, verb: str, path: str, **more: Any) -> tuple[int, str]:
        async with self.http.request(verb, f"http://{self.address}{path}", **more) as answer:
            body = await answer.json()
            if path.startswith(("/channels/", "/webchat/")):
                assert body.keys() == {"code", "reason", "message"}
                assert getattr(grpc.StatusCode, body["code"])
            else:
                assert body["details"][0]["reason"] == body["reason"]
            return answer.status, body["reason"]

    async def call(self, path: str, token: str = "") -> tuple[grpc.StatusCode, str]:
        """Call with an empty request; the code and the reason, if one was given."""
        try:
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(path)
            await method(b"", metadata=bearer(token) if token else (), timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code(), reason_of(error)
        return grpc.StatusCode.OK, ""

    def authorized(self) -> dict[str, str]:
        return dict(bearer(self.behind.token()))


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type] # has what it takes
    info = ErrorInfo()
    if status is None or not status.details[0].Unpack(info):
        return ""
    return str(info.reason)


@asynccontextmanager
async def opened(
    home: Path,
    trusted_hops: int = 0,
    behind: Upstreams | None = None,
    *,
    whole: bool = True,
    most_connections: int = 0,
) -> AsyncIterator[Door]:
    """Start an edge behind so many proxies; yield it, if `whole`, once all behind it is found."""
    async with AsyncExitStack() as stack:
        behind = await stack.enter_async_context(upstreams(behind))
        process = envoy(behind.places, home, trusted_hops, most_connections)
        address = await asyncio.to_thread(process.__enter__)
        stack.push_async_callback(asyncio.to_thread, process.__exit__, None, None, None)
        client = await stack.enter_async_context(aiohttp.ClientSession())
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        it = Door(behind, address, client, channel, home / "envoy.log")
        if whole:
            await eventually(lambda: it.ask("GET", "/healthz"), 200)
        yield it


async def eventually(ask: Callable[[], Any], status: int) -> None:
    async with asyncio.timeout(20):
        while (await ask())[0] != status:  # noqa: ASYNC110 - the edge has nothing to wait on
            await asyncio.sleep(0.05)
