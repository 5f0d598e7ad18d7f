"""A connection that asks nothing ends, and sooner when there are many of them."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from tests.e2e.door import Door, opened

FOR_EVER = 15.0
ASKED = b"GET /livez HTTP/1.1\r\nhost: it\r\n\r\n"


async def _lasts(door: Door, said: bytes, at_most: float = FOR_EVER) -> float:
    """Say so much and nothing more; return how many seconds the edge kept the connection."""
    host, _, port = door.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    began = time.monotonic()
    try:
        writer.write(said)
        with suppress(ConnectionError, TimeoutError):  # reset, or still there
            await asyncio.wait_for(reader.read(), at_most)
        return time.monotonic() - began
    finally:
        writer.close()


async def test_a_connection_that_says_no_line_of_http_ends_after_five_seconds(
    tmp_path: Path,
) -> None:
    """Rates count requests, so nothing else would end it for minutes."""
    begun = [b"", b"G", b"GET /livez HTT", b"PRI * HTTP/2.0\r\n"]
    async with opened(tmp_path, whole=False) as door:
        *silent, asked = await asyncio.gather(
            *(_lasts(door, said) for said in begun), _lasts(door, ASKED, 8.0)
        )
    assert all(4 <= lasted < 10 for lasted in silent), silent
    assert asked >= 8, "who has asked may ask again"


async def test_one_address_with_a_request_on_each_connection_leaves_room_for_others(
    tmp_path: Path,
) -> None:
    """Connections that have asked once last five minutes while there are few, and then seconds."""
    async with opened(tmp_path, whole=False, most_connections=200) as door:
        many = [asyncio.create_task(_lasts(door, ASKED)) for _ in range(150)]
        assert max(await asyncio.gather(*many)) < FOR_EVER
        assert (await door.ask("GET", "/livez"))[0] == 200
