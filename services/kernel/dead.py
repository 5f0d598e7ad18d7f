"""A dead letter is the original message and why nobody took it; it can go back.

What strangers write has its letters in a stream of its own, which forgets the oldest when it is
full: they cannot take the room in which the letters of everybody else are kept.
"""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from .bus import Bus
from .causes import Fault, fault_of
from .ids import new_id
from .wire import Outgoing, covers, is_literal

STREAM = "DEAD"
OF_STRANGERS = "DEAD_SUBMISSIONS"
STREAMS = (STREAM, OF_STRANGERS)
"""Where letters lie. Their subject tells which; deploy/nats/streams.toml says how."""

WRITTEN_BY_STRANGERS = frozenset({"SUBMISSIONS"})
PREFIX = "Dead-"
KEPT = "kept in DEAD"  # the reason given to JetStream; says that a letter is stored already
MSG_ID = "Nats-Msg-Id"
CUT = "Dead-Cut"
LARGEST_CUT = 64 * 1024
"""Bytes that are kept of a message too large to be kept whole, and of any that a stranger wrote:
what ingestion can take, and is to be sent again after an outage, is smaller."""
LARGEST_POISON = 4 * 1024
"""Bytes that are kept of a stranger's message that nobody can take: enough to see what it was."""
LARGEST_HEADERS = 32 * 1024
"""Bytes of headers, with those of the letter itself, up to which a message's own are kept.
JetStream takes 64 KiB of them."""
LONGEST_WORD = 200
"""Characters that a letter tells of an id or a cause."""

LETTER = 3  # tokens: dead, the stream, the consumer
_HEADER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ForeignLetter(Exception):
    """The letter says that it came from where its stream does not reach: somebody made it up.

    Or it is not whole. Either way it is not sent again.
    """


def dead_letter(  # noqa: PLR0913 - the facts of a death, each by its name
    subject: str,
    payload: bytes,
    headers: Mapping[str, str],
    *,
    stream: str,
    consumer: str,
    sequence: int,
    deliveries: int,
    cause: str,
    at: datetime,
    poison: bool = False,
) -> Outgoing:
    """Wrap a message that was given up. One (stream, consumer, sequence) is one letter.

    `poison` failed because of what it is. What is not kept whole says so, and is not sent again.
    """
    about = {
        MSG_ID: f"dead:{stream}:{consumer}:{sequence}",
        "Dead-Subject": subject,
        "Dead-Stream": stream,
        "Dead-Consumer": consumer,
        "Dead-Sequence": str(sequence),
        "Dead-Deliveries": str(deliveries),
        "Dead-Cause": cause[:LONGEST_WORD],
        "Dead-At": at.isoformat(timespec="milliseconds"),
        "Dead-Msg-Id": headers.get(MSG_ID, "")[:LONGEST_WORD],
    }
    letter = Outgoing(f"dead.{stream}.{consumer}", payload, _own(headers) | about)
    strange = stream in WRITTEN_BY_STRANGERS
    most = LARGEST_POISON if strange and poison else LARGEST_CUT
    if (strange and len(payload) > most) or letter.header_bytes > LARGEST_HEADERS:
        return _beginning(letter, most)
    return letter


async def keep(bus: Bus, letter: Outgoing) -> None:
    """Store a letter. One that no stream would take as it is leaves its beginning."""
    try:
        await bus.publish(letter)
    except Exception as refused:
        if fault_of(refused) is not Fault.INPUT:
            raise
        await bus.publish(_beginning(letter))


def _beginning(letter: Outgoing, most: int = LARGEST_CUT) -> Outgoing:
    """Return what says what it was and why it died, without what the message said of itself."""
    about = {
        name: value
        for name, value in letter.headers.items()
        if name == MSG_ID or name.startswith(PREFIX)
    }
    cut = {CUT: str(len(letter.payload))} | about  # a letter that was cut tells its first length
    return Outgoing(letter.subject, letter.payload[:most], cut)


def headers_of(message: RawStreamMsg) -> dict[str, str]:
    """Return the headers of a stored message as text, whatever a stranger made of them."""
    headers: Mapping[str, object] = message.headers or {}
    return {name: " ".join(str(value).split()) for name, value in headers.items()}


def _own(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what the message said of itself; what is no name of a header is left out."""
    return {
        name: value
        for name, value in headers.items()
        if _HEADER.fullmatch(name) and not name.startswith(("Nats-", PREFIX))
    }


async def letters(bus: Bus, *streams: str) -> AsyncIterator[RawStreamMsg]:
    """Yield every letter, of all streams unless some are named, without taking it out.

    Those of a stream come oldest first. Each says in which it lies.
    """
    for stream in streams or STREAMS:
        state = (await bus.js.stream_info(stream)).state
        sequence = state.first_seq
        while state.messages and sequence <= state.last_seq:
            try:
                letter = await bus.js.get_msg(stream, sequence, subject="dead.>", next=True)
            except NotFoundError:
                break
            letter.stream = stream
            yield letter
            sequence = (letter.seq or sequence) + 1


async def letter_of(bus: Bus, stream: str, sequence: int) -> RawStreamMsg:
    """Return the letter of that number in a stream; NotFoundError when it is not there."""
    letter = await bus.js.get_msg(stream, sequence)
    letter.stream = stream
    return letter


async def replay(bus: Bus, letter: RawStreamMsg) -> None:
    """Publish the original again under a new Nats-Msg-Id, then take the letter out.

    Every consumer of the subject gets it again, also those that took it the first time: they know
    the event by its id. Raises ForeignLetter when the letter's stream does not keep that subject:
    who may write the letters of one stream shall not be heard in another.
    """
    headers, lies_under = headers_of(letter), (letter.subject or "").split(".")
    if len(lies_under) != LETTER:
        raise ForeignLetter("it is of no stream")
    if CUT in headers:
        raise ForeignLetter("only its beginning was kept")
    stream, subject = lies_under[1], headers.get("Dead-Subject", "")
    try:
        kept = (await bus.js.stream_info(stream)).config.subjects or ()
    except NotFoundError as gone:
        raise ForeignLetter("its stream is no more") from gone
    if not is_literal(subject) or not any(covers(one, subject) for one in kept):
        raise ForeignLetter(f"{stream} keeps no such subject")
    await bus.publish(Outgoing(subject, letter.data or b"", _own(headers) | {MSG_ID: new_id()}))
    await drop(bus, letter)


async def drop(bus: Bus, letter: RawStreamMsg) -> None:
    """Take a letter out; the server overwrites its bytes."""
    await bus.js.delete_msg(letter.stream or STREAM, letter.seq or 0)
