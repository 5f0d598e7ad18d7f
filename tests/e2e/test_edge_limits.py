"""What the edge lets in: how much, how often, for how long. The numbers are what is promised."""

import asyncio
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from io import BytesIO
from itertools import count

import grpc
import pytest
import pytest_asyncio

from tests.e2e.door import Door, opened, reason_of
from tests.tokens import bearer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGN_IN = "/centralita.directory.v1.SessionService/SignIn"
WEBHOOK = "/channels/demo/shop/messages"
MIB = 1 << 20
NUMBERS = count(1)
TOO_LARGE, PACKED = (413, "BODY_TOO_LARGE"), (415, "CONTENT_ENCODING_REFUSED")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with opened(tmp_path_factory.mktemp("edge"), trusted_hops=1) as it:
        yield it


@pytest.fixture
def somebody() -> dict[str, str]:
    """Whom the edge has not seen before."""
    return {"x-forwarded-for": f"203.0.113.{next(NUMBERS)}"}


async def raw(door: Door, request: bytes, within: float = 30) -> tuple[bytes, float]:
    """Write bytes as they are; return what came back, and after how many seconds."""
    host, _, port = door.address.partition(":")
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), within), time.monotonic() - began
    except ConnectionError:
        return b"", time.monotonic() - began
    finally:
        writer.close()


def status(answer: bytes) -> str:
    return answer.partition(b"\r\n")[0].decode().split(" ")[1] if answer else "closed"


async def test_one_mebibyte_is_the_most_that_rest_may_bring(door: Door) -> None:
    for size, expected in ((MIB, (400, "MALFORMED_REQUEST")), (MIB + 1, TOO_LARGE)):
        body = BytesIO(b"x" * size)
        assert await door.refusal("POST", "/v1/session:signIn", data=body) == expected


async def test_a_webhook_comes_through_as_it_is_sent_and_waits_nowhere(door: Door) -> None:
    status_code, answer = await door.ask("POST", WEBHOOK, data=BytesIO(bytes(MIB)))
    assert (status_code, json.loads(answer)) == (200, {"bytes": MIB})

    head = (
        b"POST /channels/demo/shop/messages HTTP/1.1\r\nhost: it\r\ncontent-length: 1048576\r\n\r\n"
    )
    before = await _memory(door)
    halves = [asyncio.create_task(raw(door, head + bytes(MIB // 2))) for _ in range(200)]
    async with asyncio.timeout(20):
        while len(door.behind.arrived) < 200:  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.05)
    assert await _memory(door) - before < 50 * MIB
    for half in halves:
        half.cancel()
    await asyncio.gather(*halves, return_exceptions=True)


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", WEBHOOK),
        ("POST", "/channels/demo/shop/statuses"),
        ("POST", "/webchat/demo/web/sessions"),
        ("POST", "/webchat/demo/web/messages"),
        ("GET", "/webchat/demo/web/events"),
        ("POST", "/v1/session:signIn"),
        ("PUT", "/v1/users/ana"),
        ("GET", "/.well-known/jwks.json"),
        ("POST", "/nowhere"),
    ],
)
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "br", "identity, gzip", "zz", ""])
async def test_what_is_packed_stays_outside(door: Door, verb: str, path: str, coding: str) -> None:
    door.behind.arrived.clear()
    packed = {"content-encoding": coding, "content-type": "application/json"}
    body = BytesIO(gzip.compress(b"{}")) if verb != "GET" else None
    assert await door.refusal(verb, path, data=body, headers=packed) == PACKED
    assert not door.behind.arrived


async def test_what_says_that_it_is_not_packed_comes_in(door: Door) -> None:
    plain = {"content-encoding": "Identity", "content-type": "application/json"}
    for path in (WEBHOOK, "/v1/session:signIn"):
        assert (await door.ask("POST", path, data=BytesIO(b"{}"), headers=plain))[0] == 200


@pytest.mark.parametrize("packed", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_packed_message_of_grpc_stays_outside(door: Door, packed: grpc.Compression) -> None:
    door.behind.arrived.clear()
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = door.channel.unary_unary(SIGN_IN)
    with pytest.raises(grpc.aio.AioRpcError) as no:
        await method(bytes(1000), compression=packed)
    assert (no.value.code(), reason_of(no.value)) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "CONTENT_ENCODING_REFUSED",
    )
    assert not door.behind.arrived


async def test_headers_are_a_hundred_at_most_and_sixteen_kibibytes(door: Door) -> None:
    async def asked(headers: int, long: int = 1) -> str:
        more = b"".join(b"x%d: %s\r\n" % (number, b"y" * long) for number in range(headers - 2))
        head = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: it\r\nconnection: close\r\n"
        return status((await raw(door, head + more + b"\r\n"))[0])

    assert await asked(95) == "200"
    assert await asked(101) == "431"
    assert await asked(4, 7_000) == "200"
    assert await asked(4, 9_000) == "431"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/tenant HTTP/1.1\r\nhost: it\r\nuser_id: ana\r\n",
        b"GET /channels%2fdemo HTTP/1.1\r\nhost: it\r\n",
        b"POST /channels/demo/shop/messages HTTP/1.1\r\nhost: it\r\ntransfer-encoding: gzip\r\n",
        b"POST / HTTP/1.1\r\nhost: it\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n",
        b"GET /v1/tenant HTTP/1.1\r\n",
    ],
)
async def test_what_two_readers_could_read_in_two_ways_is_read_by_nobody(
    door: Door, head: bytes
) -> None:
    door.behind.arrived.clear()
    answer, _ = await raw(door, head + b"connection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    assert status(answer) in {"400", "501"}
    assert not door.behind.arrived


async def test_one_address_has_2000_requests_at_once_and_500_a_second(
    door: Door, somebody: dict[str, str]
) -> None:
    one = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: it\r\n"
    one += f"x-forwarded-for: {somebody['x-forwarded-for']}\r\n"
    many = f"{one}\r\n" * 499 + f"{one}connection: close\r\n\r\n"
    told: Counter[bytes] = Counter()
    began = time.monotonic()
    while b"429" not in told:
        for answer, _ in await asyncio.gather(*(raw(door, many.encode()) for _ in range(10))):
            told.update(re.findall(rb"HTTP/1.1 (\d+)", answer))
    took = time.monotonic() - began
    assert told.keys() == {b"200", b"429"}
    assert 2000 <= told[b"200"] <= 2000 + 500 * (took + 1)


async def test_one_address_has_120_sign_ins_at_once_and_10_a_second(
    door: Door, somebody: dict[str, str]
) -> None:
    async def over_rest() -> tuple[int, str]:
        path = "/v1/session:signIn"
        answered, body = await door.ask("POST", path, data=b"{}", headers=somebody)
        return answered, json.loads(body).get("reason", "")

    async def over_grpc() -> tuple[int, str]:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = door.channel.unary_unary(SIGN_IN)
        try:
            await method(b"", metadata=list(somebody.items()))
        except grpc.aio.AioRpcError as no:
            return {grpc.StatusCode.RESOURCE_EXHAUSTED: 429}.get(no.code(), 0), reason_of(no)
        return 200, ""

    began = time.monotonic()
    told = Counter(
        await asyncio.gather(*(ask() for _ in range(150) for ask in (over_rest, over_grpc)))
    )
    took = time.monotonic() - began
    assert told.keys() == {(200, ""), (429, "RATE_LIMITED")}
    assert 120 <= told[200, ""] <= 120 + 10 * (took + 1)
    # Only the sign-in is closed to them, and nothing to anybody else.
    tenant = {**somebody, **dict(bearer(door.behind.token()))}
    assert (await door.ask("GET", "/v1/tenant", headers=tenant))[0] == 200
    assert (await door.ask("POST", "/v1/session:signIn", data=b"{}"))[0] == 200


async def test_what_never_ends_is_ended_and_what_does_not_fit_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    post = b"POST /channels/%s/shop/messages HTTP/1.1\r\nhost: it\r\nconnection: close\r\n"
    rest = b"PUT /v1/users/ana HTTP/1.1\r\nhost: it\r\nconnection: close\r\n"
    long, half = b"content-length: 1048576\r\n\r\n", bytes(MIB - 1)
    async with opened(tmp_path_factory.mktemp("full")) as door:
        silent = asyncio.create_task(raw(door, post % b"silent" + b"content-length: 0\r\n\r\n"))
        headless = asyncio.create_task(raw(door, post % b"demo"))
        halves = [asyncio.create_task(raw(door, post % b"demo" + long + half))]
        # What REST brings waits at the edge until it is whole.
        for _ in range(60):
            halves += [asyncio.create_task(raw(door, rest + long + half)) for _ in range(10)]
            await asyncio.sleep(0.05)
            if (await door.ask("GET", "/v1/tenant", headers=door.authorized()))[0] == 503:
                break
        assert 200 < len(halves) < 500, "room for so many, and no more"
        assert await _memory(door) < 512 * MIB, "what containers give it"

        ended = [(status(answer), took) for answer, took in await asyncio.gather(*halves)]
        assert {answer for answer, _ in ended} <= {"408", "503", "closed"}
        slow = [took for answer, took in ended if answer == "408"]
        assert len(slow) > 200
        assert min(slow) >= 14
        answer, took = await headless
        assert status(answer) == "408"
        assert 9 <= took <= 14
        answer, took = await silent
        assert status(answer) == "504"
        assert 14 <= took <= 20
        assert (await door.ask("GET", "/v1/tenant", headers=door.authorized()))[0] == 200


async def _memory(door: Door) -> int:
    """Return the bytes that the edge has taken from its machine."""
    config = json.loads((door.log.parent / "envoy.json").read_text())
    place = config["admin"]["address"]["socket_address"]
    url = f"http://{place['address']}:{place['port_value']}/memory"
    async with door.http.get(url) as answer:
        return int((await answer.json(content_type=None))["total_physical_bytes"])
