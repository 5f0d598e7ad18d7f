"""A dead letter is the original message and why nobody took it; it can go back."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from nats.errors import MaxPayloadError
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from .bus import Bus
from .ids import new_id
from .wire import Outgoing, covers, is_literal

STREAM = "DEAD"
PREFIX = "Dead-"
KEPT = "kept in DEAD"  # the reason given to JetStream; says that a letter is stored already
MSG_ID = "Nats-Msg-Id"
CUT = "Dead-Cut"
LARGEST_CUT = 64 * 1024
"""Bytes that are kept of a message too large to be kept whole."""

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
) -> Outgoing:
    """Wrap a message that was given up. One (stream, consumer, sequence) is one letter."""
    about = {
        MSG_ID: f"dead:{stream}:{consumer}:{sequence}",
        "Dead-Subject": subject,
        "Dead-Stream": stream,
        "Dead-Consumer": consumer,
        "Dead-Sequence": str(sequence),
        "Dead-Deliveries": str(deliveries),
        "Dead-Cause": cause,
        "Dead-At": at.isoformat(timespec="milliseconds"),
        "Dead-Msg-Id": headers.get(MSG_ID, ""),
    }
    return Outgoing(f"dead.{stream}.{consumer}", payload, _own(headers) | about)


async def keep(bus: Bus, letter: Outgoing) -> None:
    """Store a letter. With what it says of itself it may be too large: then its beginning."""
    try:
        await bus.publish(letter)
    except MaxPayloadError:
        about = {
            name: value
            for name, value in letter.headers.items()
            if name == MSG_ID or name.startswith(PREFIX)
        }
        cut = {**about, CUT: str(len(letter.payload))}
        await bus.publish(Outgoing(letter.subject, letter.payload[:LARGEST_CUT], cut))


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


async def letters(bus: Bus) -> AsyncIterator[RawStreamMsg]:
    """Yield every letter, oldest first, without taking it out."""
    state = (await bus.js.stream_info(STREAM)).state
    sequence = state.first_seq
    while state.messages and sequence <= state.last_seq:
        try:
            letter = await bus.js.get_msg(STREAM, sequence, subject="dead.>", next=True)
        except NotFoundError:
            return
        yield letter
        sequence = (letter.seq or sequence) + 1


async def chosen(bus: Bus, sequence: int | None) -> AsyncIterator[RawStreamMsg]:
    """Yield the letter of that number, or all for None; NotFoundError when it is not there."""
    if sequence is not None:
        yield await bus.js.get_msg(STREAM, sequence)
        return
    async for letter in letters(bus):
        yield letter


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
    await bus.js.delete_msg(STREAM, letter.seq or 0)
