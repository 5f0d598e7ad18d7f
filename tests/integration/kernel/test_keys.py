"""Keys are fetched when they are needed and outlive the one who serves them."""

import asyncio

import pytest

from services.kernel.identity import Guard
from services.kernel.keys import Jwks, KeysUnavailable
from tests.tokens import ISSUER, Issuer, key_server

ROOT = Issuer()


async def test_keys_are_fetched_once_for_many_callers() -> None:
    async with key_server(ROOT.jwks) as server:
        guard = Guard(Jwks(server.url), ISSUER)
        who = await asyncio.gather(*(guard.verify(ROOT.user(user_id=f"u{i}")) for i in range(20)))
        assert len({caller.user_id for caller in who}) == 20
        assert server.asked == 1


async def test_an_unknown_key_asks_again_but_not_in_the_same_breath() -> None:
    after = Issuer(kid="after")
    async with key_server(ROOT.jwks) as server:
        keys = Jwks(server.url, pause=0.2)
        assert await keys.find(ROOT.kid)
        server.document = {"keys": ROOT.jwks["keys"] + after.jwks["keys"]}
        assert [await keys.find("after") for _ in range(50)] == [None] * 50
        assert server.asked == 1
        await asyncio.sleep(0.2)
        assert await keys.find("after")
        assert server.asked == 2


async def test_keys_outlive_their_server() -> None:
    async with key_server(ROOT.jwks) as server:
        keys = Jwks(server.url, pause=0)
        assert await keys.find(ROOT.kid)
        server.down = True
        assert await keys.find("other") is None
        server.down, server.document = False, {"keys": []}
        assert await keys.find("other") is None
        assert await keys.find(ROOT.kid)
        assert server.asked == 3
    assert await keys.find("other") is None
    assert await keys.find(ROOT.kid)


async def test_without_any_key_nobody_can_be_judged() -> None:
    async with key_server(ROOT.jwks) as server:
        server.down = True
        guard = Guard(Jwks(server.url, pause=0), ISSUER)
        with pytest.raises(KeysUnavailable):
            await guard.verify(ROOT.user())
        server.down = False
        assert await guard.verify(ROOT.user())


@pytest.mark.parametrize("document", [[], "text", {"keys": "x"}, {"keys": [{"kty": "oct"}]}])
async def test_a_document_without_a_usable_key_is_no_key_set(document: object) -> None:
    async with key_server(document) as server:
        with pytest.raises(KeysUnavailable):
            await Jwks(server.url).find("any")


async def test_a_key_set_that_comes_in_parts_is_read_to_its_end_but_not_beyond_measure() -> None:
    async with key_server({**ROOT.jwks, "more": "x" * 200_000}) as server:
        assert await Jwks(server.url).find(ROOT.kid)
        server.document = {**ROOT.jwks, "more": "x" * 300_000}
        with pytest.raises(KeysUnavailable):
            await Jwks(server.url).find(ROOT.kid)


async def test_a_withdrawn_key_stops_working_when_the_set_is_renewed() -> None:
    after = Issuer(kid="after")
    async with key_server(ROOT.jwks) as server:
        keys = Jwks(server.url, pause=0.01, fresh=0.01)
        assert await keys.find(ROOT.kid)
        server.document = after.jwks
        async with asyncio.timeout(5):
            while await keys.find(ROOT.kid):  # noqa: ASYNC110 - asking is what renews
                await asyncio.sleep(0.02)
        assert await keys.find("after")
