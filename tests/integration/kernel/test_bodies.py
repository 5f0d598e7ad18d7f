"""Whoever sends slowly or much makes room for others, and keeps nobody out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from services.kernel.bodies import MOST_ARRIVING, MOST_ARRIVING_OF_ONE, Bodies
from services.kernel.client_network import HEADER
from services.kernel.serve_http import LARGEST_BODY, serving_http
from tests.streams import until

HEAD = "POST /echo HTTP/1.1\r\nHost: it\r\nContent-Length: {size}\r\n{header}: {client}\r\n\r\n"
KIB = 1024
STRANGERS = [f"203.0.113.{number}" for number in range(4)]


class Clients:
    """Many of them, each with an address of its own, and a server that can be slow."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.address = ""
        self.handled = 0
        self.answer = asyncio.Event()

    async def echo(self, request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def hold(self, _: web.Request) -> web.Response:
        self.handled += 1
        await self.answer.wait()
        return web.Response()

    async def begin(self, client: str, sent: int = 1) -> asyncio.StreamReader:
        """Send a part of a body, and never the rest."""
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self._stack.callback(writer.close)
        head = HEAD.format(size=LARGEST_BODY, header=HEADER, client=client)
        writer.write(head.encode() + bytes(sent))
        await writer.drain()
        return reader

    async def send(self, client: str, size: int = 100, path: str = "/echo") -> int:
        """Send a body as a whole; return the status of the answer."""
        async with (
            aiohttp.ClientSession(f"http://{self.address}") as http,
            http.post(path, data=bytes(size), headers={HEADER: client}) as answer,
        ):
            if answer.status == 429:
                assert answer.headers["Retry-After"] == "1"
                assert (await answer.json())["reason"] == "RATE_LIMITED"
            return answer.status


@asynccontextmanager
async def clients(bodies: Bodies) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        they = Clients(stack)
        routes = [web.post("/echo", they.echo), web.post("/hold", they.hold)]
        they.address = await stack.enter_async_context(
            serving_http("127.0.0.1:0", routes, bodies=bodies)
        )
        yield they


async def ended(half: asyncio.StreamReader) -> bool:
    """Tell whether a body was ended to make room; it would have ten seconds otherwise."""
    return b" 429 " in await asyncio.wait_for(half.readline(), 5)


async def test_four_addresses_full_of_halves_keep_nobody_out() -> None:
    async with clients(Bodies()) as they:
        halves = [
            await they.begin(stranger)
            for stranger in STRANGERS
            for _ in range(MOST_ARRIVING // len(STRANGERS))
        ]
        for number in range(20):
            assert await they.send(f"198.51.100.{number}") == 200
            halves.append(await they.begin(STRANGERS[number % 4]))
        assert await ended(halves[0])


async def test_many_networks_with_one_half_each_keep_nobody_out() -> None:
    async with clients(Bodies()) as they:
        first, *_ = [
            await they.begin(f"10.0.{number // 250}.{number % 250}")
            for number in range(MOST_ARRIVING)
        ]
        assert [await they.send("198.51.100.1") for _ in range(5)] == [200] * 5
        assert await ended(first)


@pytest.mark.parametrize(
    "addresses", [["203.0.113.1"], ["2001:db8::1", "2001:db8::ffff:2"]], ids=["IPv4", "a /64"]
)
async def test_a_client_that_begins_too_much_loses_its_oldest(addresses: list[str]) -> None:
    async with clients(Bodies()) as they:
        neighbour = await they.begin("198.51.100.1")
        first, second, *_ = [
            await they.begin(addresses[number % len(addresses)])
            for number in range(MOST_ARRIVING_OF_ONE + 1)
        ]
        assert await ended(first)
        assert await they.send(addresses[0]) == 200
        assert await ended(second)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(neighbour.readline(), 0.05)


async def test_whoever_holds_most_makes_room_and_a_small_body_is_never_it() -> None:
    bodies = Bodies(most_bytes=1000 * KIB)
    async with clients(bodies) as they:
        small = await they.begin("198.51.100.1", 20 * KIB)
        large = [await they.begin("203.0.113.1", 400 * KIB) for _ in range(2)]
        await until(lambda: bodies.size == 820 * KIB)
        assert await they.send("198.51.100.2", 300 * KIB) == 200
        assert sorted([await is_ended_soon(one) for one in large]) == [False, True]
        assert not await is_ended_soon(small)


async def is_ended_soon(half: asyncio.StreamReader) -> bool:
    try:
        return b" 429 " in await asyncio.wait_for(half.readline(), 0.1)
    except TimeoutError:
        return False


async def test_a_body_is_held_until_its_handler_is_done() -> None:
    bodies = Bodies(most_bytes=1000 * KIB)
    async with clients(bodies) as they:
        slow = asyncio.create_task(they.send("203.0.113.1", 600 * KIB, "/hold"))
        await until(lambda: they.handled)
        assert await they.send("198.51.100.1", 600 * KIB) == 429
        assert await they.send("198.51.100.1", 300 * KIB) == 200
        they.answer.set()
        assert await slow == 200
        assert await they.send("198.51.100.1", 600 * KIB) == 200
        assert bodies.size == 0


async def test_nothing_is_left_of_bodies_that_were_broken_off() -> None:
    bodies = Bodies()
    async with clients(bodies) as they:
        for _ in range(3):
            await they.begin(STRANGERS[0], 10 * KIB)
        await until(lambda: bodies.size == 30 * KIB)
    assert bodies.size == 0
