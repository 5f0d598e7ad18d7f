"""Times of requests: what passes here converts in every service, to any unit, without a failure.

A Timestamp is a moment of the years 1 to 9999, a Duration a span of at most 10,000 years: so the
protos of the two say, and so no parser checks.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import ClassVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799
_LONGEST = 315_576_000_000
_SECOND = 1_000_000_000


class TimeInvalid(Exception):
    """A time of a request is out of range. `details` names the field, as its path with dots."""

    reason: ClassVar[str] = "FIELD_INVALID"

    def __init__(self, field: str) -> None:
        super().__init__(
            f"{field}: send a moment of the years 1 to 9999, or a span below 10,000 years."
        )
        self.details: Mapping[str, str] = {"field": field, "rule": "range"}


def insist_on_times(message: Message) -> None:
    """Raise TimeInvalid over the first time of a message, or of one inside it, out of range."""
    for field in _flaws(message, ""):
        raise TimeInvalid(field)


def _flaws(message: Message, prefix: str) -> Iterator[str]:
    for field in _times(message.DESCRIPTOR):
        if field.has_presence and not message.HasField(field.name):
            continue
        value, path = getattr(message, field.name), prefix + field.name
        for one in value if field.is_repeated else (value,):
            if isinstance(one, Timestamp):
                good = _EARLIEST <= one.seconds <= _LATEST and 0 <= one.nanos < _SECOND
            elif isinstance(one, Duration):
                good = _is_span(one)
            else:
                yield from _flaws(one, f"{path}.")
                continue
            if not good:
                yield path


def _is_span(it: Duration) -> bool:
    against = it.seconds * it.nanos < 0  # one of the two is below zero, the other above
    return abs(it.seconds) <= _LONGEST and abs(it.nanos) < _SECOND and not against


@cache
def _times(kind: Descriptor) -> tuple[FieldDescriptor, ...]:
    """Return the fields of a message that are times, or that hold some."""
    return tuple(
        field
        for field in kind.fields
        if field.message_type is not None and _has_times(field.message_type)
    )


def _has_times(kind: Descriptor) -> bool:
    ours = kind.file.package.startswith("centralita.")
    itself = kind.full_name in (Timestamp.DESCRIPTOR.full_name, Duration.DESCRIPTOR.full_name)
    return itself or (ours and bool(_times(kind)))
