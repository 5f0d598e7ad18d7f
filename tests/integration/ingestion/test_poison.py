"""What strangers hand in and nobody can take ends at once, and delays nobody's message."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from centralita.ingestion.v1.events_pb2 import MessageReceived, MessageRefused, MessageSubmitted
from centralita.ingestion.v1.resources_pb2 import InboundMessage
from google.protobuf import json_format

from services.kernel import dead
from services.kernel.wire import Outgoing, subject_of
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


async def test_no_header_keeps_a_message_that_nobody_can_read_from_ending(
    world: World, nats_url: str
) -> None:
    """A letter repeats the headers: with its own it had more than JetStream takes."""
    publish(nats_url, [pub(LITERAL, headers=block) for block in HEADERS])
    await until(lambda: _none_left(world))
    assert len([letter async for letter in dead.letters(world.bus)]) == len(HEADERS)


async def test_letters_of_strangers_take_nobodys_room(world: World, nats_url: str) -> None:
    """A few hundred messages filled DEAD: no service could give up on anything any more."""
    async with bounded(world, 256 * 1024):
        publish(nats_url, [pub(LITERAL, b"x" * 900_000)] * 100)
        await until(lambda: _none_left(world), within=20)
        found = [letter async for letter in dead.letters(world.bus)]
        assert {letter.stream for letter in found} == {dead.OF_STRANGERS}
        assert {len(letter.data or b"") for letter in found} == {dead.LARGEST_POISON}
        assert {dead.headers_of(letter)[dead.CUT] for letter in found} == {"900000"}
        assert 10 < len(found) < 100, "the oldest are forgotten"
        await world.bus.publish(Outgoing("dead.DISPATCH.c", b"x" * 100_000, {}))
    with pytest.raises(dead.ForeignLetter, match="beginning"):
        await dead.replay(world.bus, found[0])


@asynccontextmanager
async def bounded(world: World, most: int) -> AsyncIterator[None]:
    """Make the streams of letters small for a while."""
    js = world.bus.js
    former = [(await js.stream_info(name)).config for name in dead.STREAMS]
    for config in former:
        await js.update_stream(config.evolve(max_bytes=most))
    try:
        yield
    finally:
        for config in former:
            await js.update_stream(config)


async def test_the_longest_genuine_message_survives_an_outage_as_a_letter_that_can_go_back(
    world: World,
) -> None:
    """Only what failed by its own fault is cut short: the rest may be sent again."""
    message = InboundMessage(
        provider_message_id="x" * 200, sender_address="x" * 200, text="👩" * 8000
    )
    event = submitted(world, message=message)
    body = json_format.MessageToJson(event, ensure_ascii=False).encode()
    for payload in (event.SerializeToString(), body):
        letter = dead.dead_letter(
            subject_of(event),
            payload,
            {},
            stream="SUBMISSIONS",
            consumer="ingestion-accept-message",
            sequence=1,
            deliveries=100,
            cause="DependencyUnavailable",
            at=datetime.now(UTC),
        )
        assert letter.payload == payload
        assert dead.CUT not in letter.headers


async def test_an_outage_of_the_directory_gives_up_on_nobody(world: World) -> None:
    """Patience with what is outside is the same, whoever wrote."""
    world.directory.out = True
    await submit(world, submitted(world).SerializeToString())
    await until(lambda: world.directory.asked > 1, within=10)
    world.directory.out = False
    await until(lambda: world.stored("INBOUND", MessageReceived), within=10)


async def _none_left(world: World) -> bool:
    return (await world.bus.js.stream_info("SUBMISSIONS")).state.messages == 0
