"""What nobody would send who means well: every field of a request at its bounds, and pure junk.

Each request differs from a plausible one in one place, so that it comes past the checks before that
place. The same seed makes the same.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct

DEEPEST = 4
"""Messages within messages that are filled in."""
MANY = 1_000
"""How often a repeated field is repeated."""
_INT64 = 2**63

Path = tuple[FieldDescriptor, ...]
Values = Sequence[Any]
Known = Mapping[str, str]
"""What stands in a text, by the name of its field."""

_SCALARS: Mapping[int, Values] = {
    FieldDescriptor.TYPE_INT32: (-(2**31), -1, 0, 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-_INT64, -1, 0, 2**53 + 1, _INT64 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**31, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**53 + 1, _INT64 - 1, _INT64, 2 * _INT64 - 1),
    FieldDescriptor.TYPE_DOUBLE: (float("nan"), float("inf"), float("-inf"), 1e308, -1.0, 5e-324),
    FieldDescriptor.TYPE_BOOL: (False, True),
    FieldDescriptor.TYPE_BYTES: (b"", b"\xff\x00", b"{" * 100_000, b'{"\\ud800":1}'),
    FieldDescriptor.TYPE_STRING: (
        "",
        " ",
        "\0",
        "\u200b\u2066",
        "a.b",
        "*",
        ">",
        "../..",
        "\ud7ff\ufffe\U0010ffff",
        "\xfc" * 100_000,
        "9" * 19,
        "9" * 5_000,
        "9999-12-31",
        "0001-01-01",
        urlsafe_b64encode(b"9" * 19).decode(),
        urlsafe_b64encode(b"9" * 30).decode(),
        urlsafe_b64encode(b"-1").decode(),
        urlsafe_b64encode(b"99999999999999999.1").decode(),
        urlsafe_b64encode(b"\xff\xfe").decode(),
        "b",
    ),
}
_MOMENTS = (
    (-_INT64, 0),
    (_INT64 - 1, 0),
    (-62_135_596_800, 0),  # the first moment of the year 1
    (-62_135_596_801, 0),
    (253_402_300_799, 999_999_999),  # the last moment of the year 9999
    (253_402_300_800, 0),
    (0, -1),
    (0, 2**31 - 1),
    (-1, 0),
)
_SPANS = (
    (-_INT64, -(2**31)),
    (_INT64 - 1, 2**31 - 1),
    (315_576_000_001, 0),
    (315_576_000_000, 0),
    (-1, 0),
    (0, -1),
    (0, 1),
    (1, -1),
)
_SCENARIO: Mapping[str, Any] = {
    "hours": 1,
    "replications": 1,
    "queues": {"support": {"priority": 50}},
    "traffic": [
        {
            "queue": "support",
            "per_hour": 10,
            "service": {"distribution": "exponential", "mean_s": 60},
        }
    ],
    "team": [{"name": "support", "agents": 1, "queues": ["support"]}],
}
POISON: Values = (None, True, -1.0, 1e308, float("nan"), "", "\0", "x" * 10_000, [], {})
"""What may stand anywhere in JSON and belongs nowhere."""


def whole(kind: Descriptor, known: Known, depth: int = 0) -> Message:
    """Fill in every field of a request plausibly."""
    it = GetMessageClass(kind)()
    for field in kind.fields:
        if field.message_type is None:
            _put(it, field, _usual(field, known))
        elif (specials := _specials(field.message_type)) is not None:
            _put(it, field, specials[-1])
        elif depth < DEEPEST:
            _put(it, field, whole(field.message_type, known, depth + 1))
    return it


def mutants(kind: Descriptor, known: Known) -> Iterator[Message]:
    """Put each field of a request, at any depth, to each of its bounds, one at a time."""
    yield whole(kind, known)
    yield GetMessageClass(kind)()
    for path in _paths(kind, ()):
        for values in _bounds(path[-1], known):
            it = whole(kind, known)
            _put(_within(it, path[:-1]), path[-1], *values)
            yield it


def junk(kind: Descriptor, known: Known, chance: Random) -> Iterator[bytes]:
    """Make what is not the message it claims, or more than it."""
    told = whole(kind, known).SerializeToString()
    yield told + b"\xfa\xff\xff\xff\x0f\x03new"  # a field that only a newer client knows
    yield told + b"\x0b" * 200  # groups that never end
    yield told[: chance.randrange(len(told) + 1)] + b"\xff"
    yield b"\xff" * 11  # a number that does not end
    yield chance.randbytes(64)
    yield b"\x0a\xff\xff\xff\xff\x07"  # a text of two gigabytes
    yield b"\x0a\x02\xc3\x28"  # a text that is not UTF-8
    for field in kind.fields[:3]:
        for wire_type, value in ((0, b"\x01"), (1, bytes(8)), (2, b"\x01\xff"), (5, bytes(4))):
            yield bytes((field.number << 3 | wire_type,)) + value


def bodies(kind: Descriptor, known: Known) -> Iterator[bytes]:
    """Make JSON that is wrong in one place, and what is no JSON."""
    told = MessageToDict(whole(kind, known))
    for poisoned in (told, *poisonings(told)):
        yield json.dumps(poisoned).encode()
    yield b""
    yield b"{"
    yield b"\xff\xfe"
    yield b"[" * 5_000
    yield b'{"a":' * 5_000
    yield b'{"\\ud800": "\\udfff"}'
    for name in list(told)[:3]:
        key = json.dumps(name).encode()
        yield b"{%b: 1e999}" % key
        yield b'{%b: "\\ud800"}' % key
        yield b'{%b: "1", %b: "2"}' % (key, key)


def poisonings(told: Any) -> Iterator[Any]:
    """Let each part of a JSON value in its turn become each thing it should not be."""
    yield from POISON
    if isinstance(told, Mapping):
        parts = list(told.items())
    else:
        parts = list(enumerate(told)) if isinstance(told, list) else []
    for key, part in parts:
        for poison in poisonings(part):
            whole = {**told} if isinstance(told, Mapping) else [*told]
            whole[key] = poison
            yield whole


@cache
def _specials(kind: Descriptor) -> Sequence[Message] | None:
    """Return messages of a kind that Google defines, the last plausible; None for one of ours."""
    made = GetMessageClass(kind)
    match kind.full_name:
        case "google.protobuf.Timestamp":
            pairs = [*_MOMENTS, (1_795_000_000, 0)]
        case "google.protobuf.Duration":
            pairs = [*_SPANS, (60, 0)]
        case "google.protobuf.Struct":
            structs = [it for it in poisonings(_SCENARIO) if isinstance(it, dict)]
            return [_struct(it) for it in (*structs, _SCENARIO)]
        case _:
            return None
    return [made(seconds=seconds, nanos=nanos) for seconds, nanos in pairs]


def _struct(told: Mapping[str, Any]) -> Message:
    it = Struct()
    it.update(told)
    return it


def _paths(kind: Descriptor, above: Path) -> Iterator[Path]:
    for field in kind.fields:
        yield (*above, field)
        inner = field.message_type
        if inner is not None and _specials(inner) is None and len(above) < DEEPEST:
            yield from _paths(inner, (*above, field))


def _bounds(field: FieldDescriptor, known: Known) -> Iterator[Values]:
    if field.message_type is not None:
        specials = _specials(field.message_type)
        ones: Values = [GetMessageClass(field.message_type)()] if specials is None else specials
    elif field.enum_type is not None:
        ones = [0, len(field.enum_type.values) + 40, -1, 2**31 - 1]
    else:
        ones = _SCALARS[field.type]
    for one in ones:
        yield (one,)
    if field.is_repeated:
        inner = field.message_type
        yield [_usual(field, known) if inner is None else whole(inner, known)] * MANY
        yield ()


def _usual(field: FieldDescriptor, known: Known) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.type == FieldDescriptor.TYPE_STRING:
        return known.get(field.name, known.get(field.name.removesuffix("s"), "x"))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"x"
    return False if field.type == FieldDescriptor.TYPE_BOOL else 1


def _put(it: Message, field: FieldDescriptor, *values: Any) -> None:
    it.ClearField(field.name)
    if field.is_repeated:
        getattr(it, field.name).extend(values)
    elif field.message_type is not None:
        getattr(it, field.name).CopyFrom(values[0])
        getattr(it, field.name).SetInParent()
    else:
        setattr(it, field.name, values[0])


def _within(it: Message, path: Path) -> Message:
    for field in path:
        holder = getattr(it, field.name)
        it = (holder[0] if holder else holder.add()) if field.is_repeated else holder
    return it
