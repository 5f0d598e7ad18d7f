"""Whom the edge takes a client for, with proxies in front of it and without."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from services.kernel.client_network import HEADER
from tests.e2e.door import Door, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANT = "/centralita.directory.v1.DirectoryService/GetTenant"
ANA, BEN = "203.0.113.1", "203.0.113.2"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def direct(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with opened(tmp_path_factory.mktemp("direct")) as door:
        yield door


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def behind_one(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with opened(tmp_path_factory.mktemp("proxied"), trusted_hops=1) as door:
        yield door


async def _arrives_as(door: Door, headers: dict[str, str]) -> set[str]:
    """Ask over HTTP, REST and gRPC; return whom the services take the client for."""
    door.behind.arrived.clear()
    await door.ask("POST", "/webchat/demo/web/sessions", headers=headers)
    await door.ask("GET", "/v1/tenant", headers={**headers, **door.authorized()})
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = door.channel.unary_unary(TENANT)
    own = [*headers.items(), *door.authorized().items()]
    await method(
        b"", metadata=[(name.lower(), value) for name, value in own if name != "connection"]
    )
    assert len(door.behind.arrived) == 3
    return {
        value
        for _, arrived in door.behind.arrived
        for name, value in arrived.items()
        if name.lower() == HEADER
    }


async def _sign_in(door: Door, forwarded_for: str) -> int:
    headers = {"x-forwarded-for": forwarded_for}
    status, _ = await door.ask("POST", "/v1/session:signIn", data=b"{}", headers=headers)
    return status


async def _sign_in_at_once(door: Door, *forwarded_for: str) -> set[int]:
    return set(await asyncio.gather(*(_sign_in(door, each) for each in forwarded_for)))


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"x-forwarded-for": ANA},
        {HEADER: ANA},
        {HEADER: ANA, "connection": HEADER},
        {"x-real-ip": ANA, "x-envoy-external-address": ANA, "forwarded": f"for={ANA}"},
    ],
)
async def test_nobody_says_who_they_are_where_no_proxy_is_trusted(
    direct: Door, forged: dict[str, str]
) -> None:
    assert await _arrives_as(direct, forged) == {"127.0.0.1"}


@pytest.mark.parametrize("told", [ANA, f"{BEN}, {ANA}", f"nonsense, {BEN}, {ANA}", "2001:db8::1"])
async def test_the_proxy_in_front_says_who_asks_and_nobody_before_it(
    behind_one: Door, told: str
) -> None:
    last = told.rpartition(",")[2].strip()
    assert await _arrives_as(behind_one, {"x-forwarded-for": told, HEADER: BEN}) == {last}


async def test_everybody_behind_one_proxy_signs_in_on_their_own_account(behind_one: Door) -> None:
    office = [f"198.51.100.{number}" for number in range(250)]
    assert await _sign_in_at_once(behind_one, *office) == {200}

    assert 429 in await _sign_in_at_once(behind_one, *[ANA] * 250)
    assert await _sign_in(behind_one, BEN) == 200
    # Whatever stands further left was said by the client.
    assert 429 in await _sign_in_at_once(behind_one, *(f"{one}, {ANA}" for one in office))


async def test_a_client_of_ipv6_has_one_budget_for_all_its_addresses(behind_one: Door) -> None:
    mine = [f"2001:db8:0:1::{number:x}" for number in range(250)]
    assert 429 in await _sign_in_at_once(behind_one, *mine)
    assert await _sign_in(behind_one, "2001:db8:0:2::1") == 200


async def test_a_forged_address_brings_no_second_budget(direct: Door) -> None:
    assert 429 in await _sign_in_at_once(direct, *(f"198.51.100.{number}" for number in range(250)))
