"""Whatever goes wrong over HTTP, the answer is one small JSON object."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, ClassVar

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from grpc import StatusCode

from services.kernel.client_network import HEADER, client_network
from services.kernel.serve_http import DRAINING, LARGEST_BODY, problem, serving_http


class Throttled(Exception):
    reason: ClassVar[str] = "TOO_MANY"
    details: Mapping[str, str] = {}


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def bug(_: web.Request) -> web.Response:
    raise ValueError("secret")


async def throttle(_: web.Request) -> web.Response:
    raise Throttled("Slower, please.")


async def outage(_: web.Request) -> web.Response:
    raise ConnectionRefusedError("secret")


async def own(_: web.Request) -> web.Response:
    return problem(StatusCode.UNAUTHENTICATED, "SIGNATURE_WRONG", "Sign it.")


async def parse(request: web.Request) -> web.Response:
    return web.json_response(await request.json())


async def network(_: web.Request) -> web.Response:
    return web.Response(text=client_network())


async def moved(_: web.Request) -> web.Response:
    raise web.HTTPFound("/echo")


ROUTES = [
    web.post("/echo", echo),
    web.get("/bug", bug),
    web.get("/throttle", throttle),
    web.get("/outage", outage),
    web.get("/own", own),
    web.post("/parse", parse),
    web.get("/moved", moved),
    web.get("/network", network),
]


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serving_http(
            "127.0.0.1:0", ROUTES, codes={Throttled: StatusCode.RESOURCE_EXHAUSTED}, **options
        ) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
    ):
        yield session


async def test_a_body_up_to_the_limit_arrives_and_a_larger_one_is_413() -> None:
    async with client() as session:
        async with session.post("/echo", data=BytesIO(b"x" * LARGEST_BODY)) as response:
            assert len(await response.read()) == LARGEST_BODY
        async with session.post("/echo", data=BytesIO(b"x" * (LARGEST_BODY + 1))) as response:
            assert response.status == 413
            assert (await response.json())["reason"] == "BODY_TOO_LARGE"


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "identity, gzip", "nonsense", ""]
)
async def test_what_came_packed_is_refused_and_never_unpacked(coding: str) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    async with client() as session:
        for path in ("/echo", "/parse", "/nowhere"):
            packed = session.post(path, data=bomb, headers={"Content-Encoding": coding})
            async with packed as response:
                assert response.status == 415
                assert (await response.json())["reason"] == "CONTENT_ENCODING_REFUSED"


async def test_a_body_that_says_it_is_not_packed_arrives_as_it_came() -> None:
    body = gzip.compress(b"whatever it is")
    async with client() as session:
        given = {"Content-Encoding": "Identity"}
        async with session.post("/echo", data=body, headers=given) as response:
            assert await response.read() == body


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"Content-Length: 9\r\n\r\nhalf", 408),
        (b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", 408),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n\r\nhalf", 400),
        (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n", 400),
    ],
)
async def test_a_body_that_never_ends_or_makes_no_sense_is_no_fault_of_ours(
    rest: bytes, status: int
) -> None:
    async with serving_http("127.0.0.1:0", ROUTES, slowest_body=0.2) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /echo HTTP/1.1\r\nHost: it\r\n" + rest)
        line = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    assert line.split()[1] == str(status).encode()


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "reason"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND", "ROUTE_NOT_FOUND"),
        ("GET", "/echo", 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
        ("GET", "/bug", 500, "INTERNAL", "INTERNAL"),
        ("POST", "/parse", 500, "INTERNAL", "INTERNAL"),
        ("GET", "/throttle", 429, "RESOURCE_EXHAUSTED", "TOO_MANY"),
        ("GET", "/outage", 503, "UNAVAILABLE", "DEPENDENCY_UNAVAILABLE"),
        ("GET", "/own", 401, "UNAUTHENTICATED", "SIGNATURE_WRONG"),
    ],
)
async def test_an_error_is_a_code_a_reason_and_a_sentence(
    method: str, path: str, status: int, code: str, reason: str
) -> None:
    async with client() as session, session.request(method, path) as response:
        body = await response.json()
    assert response.status == status
    assert set(body) == {"code", "reason", "message"}
    assert (body["code"], body["reason"]) == (code, reason)
    assert "secret" not in str(body)


async def test_a_handler_knows_the_network_that_the_edge_vouches_for() -> None:
    async with client() as session:
        for told, network in (("203.0.113.7", "203.0.113.7"), ("", "")):
            async with session.get("/network", headers={HEADER: told}) as response:
                assert await response.text() == network


async def test_the_allowed_methods_are_named() -> None:
    async with client() as session, session.get("/echo") as response:
        assert response.headers["Allow"] == "POST"


async def test_a_redirection_is_no_error() -> None:
    async with client() as session, session.get("/moved", allow_redirects=False) as response:
        assert response.status == 302


async def test_a_middleware_of_the_route_owner_sees_errors_too() -> None:
    @web.middleware
    async def stamp(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Stamp"] = "yes"
        return response

    async with client(middlewares=[stamp]) as session, session.get("/bug") as response:
        assert response.headers["X-Stamp"] == "yes"
        assert response.status == 500


async def test_a_stop_lets_a_request_finish_and_tells_a_long_one() -> None:
    began = asyncio.Event()

    async def long(request: web.Request) -> web.Response:
        began.set()
        await request.app[DRAINING].wait()
        return web.Response(text="goodbye")

    async with aiohttp.ClientSession() as session:
        async with serving_http("127.0.0.1:0", [web.get("/long", long)]) as address:
            waiting = asyncio.create_task(session.get(f"http://{address}/long"))
            await asyncio.wait_for(began.wait(), 5)
        response = await waiting
        assert await response.text() == "goodbye"
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://{address}/long")
