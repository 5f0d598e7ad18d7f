"""The logs of a shard as one recording: from the streams, or from a file."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import cast

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from google.protobuf.message import DecodeError
from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed

from services.dispatch.use_cases.ports import Entry, Record, Shard, Step
from services.dispatch.use_cases.replay import Unreadable
from services.kernel.bus import Bus
from services.kernel.tail import Tailed, tail, until_now
from services.kernel.unreadable import understood

from .inputs import decode_input
from .logs import INPUTS, JOURNAL, input_subject, journal_subject
from .records import decode_record, encode_record, signed


class NoRecording(Exception):
    """The file holds something else, or only half a recording."""


def opened(it: wire.Recorded) -> Entry | Record | Unreadable:
    """Read what a recording holds behind its snapshot."""
    if it.HasField("input"):
        read = partial(decode_input, it.input.data)
        known = understood(INPUTS, read, sequence=it.input.sequence)
        return Entry(it.input.sequence, it.input.at_ms, known)
    decode = partial(decode_record, it.record.sequence, it.record.data)
    record = understood(JOURNAL, decode, sequence=it.record.sequence)
    return Unreadable(it.record.sequence) if record is None else record


def chained(cursor: int, steps: Sequence[Step], before: bytes) -> bytes:
    """Return the hash that a record with these steps would have in the journal."""
    return encode_record(cursor, steps, chain=before, emitted=0, owner_id="")[1]


async def from_logs(bus: Bus, shard: Shard, snapshot: bytes) -> AsyncGenerator[wire.Recorded, None]:
    """Yield what both logs hold behind the snapshot, up to the present end of the journal.

    What says nothing of a chain never was a record of this journal, and is left out.
    """
    begin = wire.Snapshot.FromString(snapshot)
    if snapshot:
        yield wire.Recorded(snapshot=begin)
    cursor = begin.input_cursor
    inputs = _rest(bus, INPUTS, input_subject(shard), begin.input_cursor)
    records = _rest(bus, JOURNAL, journal_subject(shard), begin.journal_sequence)
    async with aclosing(inputs), aclosing(records):
        async for record in records:
            if signed(record.data) is None:
                continue
            up_to = _cursor_of(record.data)
            while cursor < up_to and (entry := await anext(inputs, None)) is not None:
                cursor = entry.sequence
                at = int(entry.at.timestamp() * 1000)
                logged = wire.LoggedInput(sequence=cursor, at_ms=at, data=entry.data)
                yield wire.Recorded(input=logged)
            yield wire.Recorded(
                record=wire.LoggedRecord(sequence=record.sequence, data=record.data)
            )


def from_file(path: Path) -> Iterator[wire.Recorded]:
    """Yield what was exported. Raises NoRecording, OSError."""
    with path.open("rb") as file:
        read = cast(BytesIO, file)  # any buffered reader will do
        try:
            while (it := parse_length_prefixed(wire.Recorded, read)) is not None:
                yield it
        except (DecodeError, ValueError, EOFError) as error:
            raise NoRecording("This is not a whole recording; export it again.") from error


@contextmanager
def into_file(path: Path) -> Iterator[Callable[[wire.Recorded], None]]:
    """Write a recording anew; the value adds to its end."""
    with path.open("wb") as file:
        write = cast(BytesIO, file)  # any buffered writer will do
        yield lambda it: serialize_length_prefixed(it, write)


async def _rest(bus: Bus, stream: str, subject: str, after: int) -> AsyncGenerator[Tailed, None]:
    reading = tail(bus, stream, subjects=[subject], after=after)
    async with aclosing(until_now(reading)) as batches:
        async for batch in batches:
            for message in batch:
                yield message


def _cursor_of(record: bytes) -> int:
    try:
        return wire.Record.FromString(record).input_cursor
    except DecodeError:
        return 0
