"""Whatever strangers put into a subject or a header is handed on, and the connection stays."""

import pytest
from centralita.ingestion.v1.events_pb2 import MessageSubmitted
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, RawStreamMsg

from services.kernel import dead, dead_letters
from services.kernel.bus import Bus
from services.kernel.pull import Pull
from services.kernel.tail import tail
from services.kernel.wire import subject_of
from tests.strangers import HEADERS, SUBJECTS, pub, publish
from tests.streams import until

STREAM, REST = "SUBMISSIONS", b"ingestion.v1.message.submitted"


def frames(rest: bytes) -> list[bytes]:
    return [
        *(pub(subject.replace(b"%s", rest)) for subject in SUBJECTS),
        *(pub(b"cc.h." + rest, headers=block) for block in HEADERS),
    ]


FRAMES = frames(REST)


async def test_one_subject_that_is_no_text_does_not_cut_the_bus_off(
    bus: Bus, nats_url: str
) -> None:
    """The read loop ended over it, and nothing said so."""
    gone: list[str] = []
    heard: list[Msg] = []

    async def handle(message: Msg) -> None:
        heard.append(message)
        await message.ack()

    config = ConsumerConfig(durable_name="tests-strangers", ack_policy=AckPolicy.EXPLICIT)
    pull = Pull(bus, STREAM, config, handle, max_workers=8)
    await pull.start()
    with bus.on_resume(lambda: gone.append("and back")):
        publish(nats_url, FRAMES)
        await until(lambda: len(heard) == len(FRAMES))
        await until(lambda: _empty(bus))
    await pull.stop()
    assert not gone
    assert all(message.subject.encode().decode() for message in heard), "can be logged and stored"


async def test_a_tail_goes_on_behind_what_strangers_wrote(bus: Bus, nats_url: str) -> None:
    publish(nats_url, frames(b"conversations.v1.message.appended"))

    async def all_there() -> bool:
        return (await bus.js.stream_info("CONVERSATIONS")).state.messages == len(FRAMES)

    await until(all_there)
    read = 0
    async for batch in tail(bus, "CONVERSATIONS"):
        read += len(batch)
        if batch[-1].pending == 0:
            break
    assert read == len(FRAMES)


async def _empty(bus: Bus) -> bool:
    return (await bus.js.stream_info(STREAM)).state.messages == 0


@pytest.mark.parametrize("size", [1024 * 1024, 1024 * 1024 - 100])
async def test_a_message_too_large_to_be_told_of_is_kept_in_part(
    bus: Bus, nats_url: str, size: int
) -> None:
    """With the headers of its letter it is larger than the server takes, and that hangs up."""
    gone: list[str] = []
    subject = subject_of(MessageSubmitted(tenant_id="large"))
    publish(nats_url, [pub(subject.encode(), b"x" * size)])
    async with dead_letters.keeping(bus):
        with bus.on_resume(lambda: gone.append("and back")):
            await bus.js.publish(
                "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.SUBMISSIONS.c",
                b'{"type":"io.nats.jetstream.advisory.v1.terminated","stream":"SUBMISSIONS",'
                b'"consumer":"c","stream_seq":%d,"deliveries":1}' % await _last(bus),
            )
            (letter,) = await until(lambda: _letters(bus))
    assert not gone
    assert dead.headers_of(letter)["Dead-Cut"] == str(size)
    with pytest.raises(dead.ForeignLetter):
        await dead.replay(bus, letter)


async def _last(bus: Bus) -> int:
    return (await bus.js.stream_info(STREAM)).state.last_seq


async def _letters(bus: Bus) -> list[RawStreamMsg]:
    return [letter async for letter in dead.letters(bus)]
