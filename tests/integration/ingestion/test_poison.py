"""What strangers hand in and nobody can take ends at once, and delays nobody's message."""

import time

import pytest
from centralita.ingestion.v1.events_pb2 import MessageReceived, MessageRefused, MessageSubmitted

from services.kernel import dead
from services.kernel.wire import subject_of
from tests.integration.ingestion.test_inbound import submit, submitted
from tests.integration.ingestion.world import World
from tests.strangers import HEADERS, SUBJECTS, pub, publish
from tests.streams import until

JSON = b"NATS/1.0\r\ncontent-type: application/json\r\n\r\n"
LITERAL = subject_of(MessageSubmitted(tenant_id="T")).replace("T", "*").encode()
PAYLOADS = (
    b"",
    b"\xff",
    b'{"\\ud800":1}',
    b'{"tenantId":"\\ud800"}',
    b'{"tenantId":NaN}',
    b'{"tenantId":1e999}',
    b'{"message":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b'{"message":{"sentAt":' + b"9" * 5_000 + b"}}",
    b'{"message":{"sentAt":"99999-99-99T99:99:99Z"}}',
    b'{"message":{"sentAt":[{}]}}',
    b'{"message":7}',
    b"[1]",
    b"null",
)


async def test_three_hundred_of_nobody_do_not_delay_one_of_somebody(
    world: World, nats_url: str
) -> None:
    publish(nats_url, [pub(LITERAL)] * 300)
    began = time.monotonic()
    await submit(world, submitted(world).SerializeToString())
    await until(lambda: world.stored("INBOUND", MessageReceived), within=5)
    assert time.monotonic() - began < 5
    await until(lambda: _none_left(world))
    letters = [letter async for letter in dead.letters(world.bus)]
    assert {dead.headers_of(letter)["Dead-Cause"] for letter in letters} == {"DecodeError"}
    assert {dead.headers_of(letter)["Dead-Deliveries"] for letter in letters} == {"1"}
    assert len(letters) == 300


@pytest.mark.parametrize("headers", [JSON, None], ids=["json", "protobuf"])
async def test_what_cannot_be_read_is_refused_at_once(
    world: World, nats_url: str, headers: bytes | None
) -> None:
    subject = subject_of(MessageSubmitted(tenant_id=world.tenant)).encode()
    publish(nats_url, [pub(subject, payload, headers) for payload in PAYLOADS])

    async def refused() -> bool:
        return len(await world.stored("INGESTION", MessageRefused)) == len(PAYLOADS)

    await until(refused)
    await until(lambda: _none_left(world))


async def test_nothing_in_a_subject_or_a_header_stops_ingestion(
    world: World, nats_url: str
) -> None:
    rest = LITERAL.split(b".", 2)[2]
    mine = f"cc.{world.tenant}.".encode() + rest
    publish(nats_url, [pub(subject.replace(b"%s", rest)) for subject in SUBJECTS])
    publish(nats_url, [pub(mine, headers=block) for block in HEADERS])
    await submit(world, submitted(world).SerializeToString())
    await until(lambda: world.stored("INBOUND", MessageReceived), within=5)
    await until(lambda: _none_left(world))
    letters = [letter async for letter in dead.letters(world.bus)]
    assert len(letters) == len(SUBJECTS)
    for letter in letters:
        with pytest.raises(dead.ForeignLetter):
            await dead.replay(world.bus, letter)


async def test_an_outage_of_the_directory_gives_up_on_nobody(world: World) -> None:
    """Patience with what is outside is the same, whoever wrote."""
    world.directory.out = True
    await submit(world, submitted(world).SerializeToString())
    await until(lambda: world.directory.asked > 1, within=10)
    world.directory.out = False
    await until(lambda: world.stored("INBOUND", MessageReceived), within=10)


async def _none_left(world: World) -> bool:
    return (await world.bus.js.stream_info("SUBMISSIONS")).state.messages == 0
