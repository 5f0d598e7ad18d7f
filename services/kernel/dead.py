"""A dead letter is the original message and why nobody took it; it can go back."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from .bus import Bus
from .ids import new_id
from .wire import Outgoing, covers

STREAM = "DEAD"
PREFIX = "Dead-"
KEPT = "kept in DEAD"  # the reason given to JetStream; says that a letter is stored already
MSG_ID = "Nats-Msg-Id"


class ForeignLetter(Exception):
    """The letter says that it came from where its stream does not reach: somebody made it up."""


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
    kept = {
        name: value for name, value in headers.items() if not name.startswith(("Nats-", PREFIX))
    }
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
    return Outgoing(f"dead.{stream}.{consumer}", payload, kept | about)


def revived(payload: bytes, headers: Mapping[str, str], *, msg_id: str) -> Outgoing:
    """Return the original message under a new Nats-Msg-Id; its event id stays."""
    kept = {
        name: value for name, value in headers.items() if not name.startswith(("Nats-", PREFIX))
    }
    return Outgoing(headers["Dead-Subject"], payload, kept | {MSG_ID: msg_id})


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
    _, stream, _ = (letter.subject or "").split(".")
    kept = (await bus.js.stream_info(stream)).config.subjects or ()
    subject = (letter.headers or {}).get("Dead-Subject", "")
    if not any(covers(one, subject) for one in kept):
        raise ForeignLetter(f"{stream} keeps no such subject")
    await bus.publish(revived(letter.data or b"", letter.headers or {}, msg_id=new_id()))
    await drop(bus, letter)


async def drop(bus: Bus, letter: RawStreamMsg) -> None:
    """Take a letter out; the server overwrites its bytes."""
    await bus.js.delete_msg(STREAM, letter.seq or 0)
