"""Protobuf on the bus: the schema, not the code, knows where an event goes."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from centralita.options.v1.options_pb2 import EventOptions
from centralita.options.v1.options_pb2 import event as event_options
from faststream import StreamMessage
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from .ids import is_token

E = TypeVar("E", bound=Message)

TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")
NOTHING: Mapping[str, str | int] = MappingProxyType({})
PROTOBUF, JSON = "application/protobuf", "application/json"


class BadToken(ValueError):
    """A value may not stand in a subject: it is no [A-Za-z0-9_-]+, or its enum has no such one."""


class NotAnEvent(TypeError):
    """The message has no event option, so it has no place on the bus."""


class Misdeclared(TypeError):
    """Who listens does not say it as the kernel understands it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as it goes out. The header Nats-Msg-Id makes a repeat harmless."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]

    @property
    def header_bytes(self) -> int:
        """Count the header block: a line for each, one that begins it, one that ends it."""
        lines = (
            len(name.encode()) + len(value.encode()) + 4 for name, value in self.headers.items()
        )
        return 14 + sum(lines)


def template_of(kind: type[Message]) -> str:
    """Return the subject with its placeholders: the name under which an event is measured."""
    return _options(kind.DESCRIPTOR).subject


def owner_of(kind: type[Message]) -> str:
    return _options(kind.DESCRIPTOR).owner


def is_state(kind: type[Message]) -> bool:
    """Tell whether the message is the whole present state of its key."""
    return _options(kind.DESCRIPTOR).state


def filter_for(kind: type[Message], where: Mapping[str, str | int] = NOTHING) -> str:
    """Return the subject a consumer binds to: each placeholder becomes a wildcard.

    `where` narrows placeholders to one value each. Misdeclared: the subject has no such one.
    """
    form, placeholders = _form(kind.DESCRIPTOR)
    if strangers := where.keys() - {one.field for one in placeholders}:
        raise Misdeclared(f"{template_of(kind)} does not say {', '.join(sorted(strangers))}")
    return form.format(
        *(one.token(where[one.field]) if one.field in where else "*" for one in placeholders)
    )


def covers(pattern: str, subject: str) -> bool:
    """Tell whether a subject, or all that a narrower pattern stands for, is among `pattern`."""
    mine, asked = pattern.split("."), subject.split(".")
    if mine[-1] == ">":
        mine.pop()
        if len(asked) <= len(mine):
            return False
        asked = asked[: len(mine)]
    return len(mine) == len(asked) and all(
        token in ("*", other) and other != ">" for token, other in zip(mine, asked, strict=True)
    )


def subject_of(event: Message) -> str:
    """Fill the event's subject template from its own fields; raises BadToken."""
    form, placeholders = _form(event.DESCRIPTOR)
    return form.format(*(one.token(getattr(event, one.field)) for one in placeholders))


def is_literal(subject: str) -> bool:
    """Say whether a subject is one that we publish under: of tokens, and none a wildcard."""
    return all(map(is_token, subject.split(".")))


def outgoing(
    event: Message, *, event_id: str, at: datetime, traceparent: str | None = None
) -> Outgoing:
    """Dress an event for the bus: CloudEvents binary mode, and an id that a repeat keeps."""
    kind = type(event)
    headers = {
        "Nats-Msg-Id": event_id,
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": event.DESCRIPTOR.full_name,
        "ce-source": f"centralita/{owner_of(kind)}",
        "ce-time": at.isoformat(timespec="milliseconds"),
        "content-type": PROTOBUF,
    }
    if traceparent:
        headers["traceparent"] = traceparent
    return Outgoing(subject_of(event), event.SerializeToString(), headers)


def decode(kind: type[E]) -> Callable[[StreamMessage[Any]], Awaitable[E]]:
    """Make the decoder of `kind`; what it cannot read is a DecodeError, which is poison."""

    async def parse(message: StreamMessage[Any]) -> E:
        raw = message.raw_message
        return event_in(kind, raw.subject, raw.data, raw.headers or {})

    return parse


def event_in(kind: type[E], subject: str, data: bytes, headers: Mapping[str, str]) -> E:
    """Read an event that is about what its subject says; raises DecodeError."""
    event = parsed(kind, data, headers)
    _insist_on_subject(event, subject)
    return event


def parsed(kind: type[E], data: bytes, headers: Mapping[str, str]) -> E:
    """Read protobuf, or proto3 JSON where the content type says so; raises DecodeError."""
    if not headers.get("content-type", PROTOBUF).startswith(JSON):
        return kind.FromString(data)
    try:
        fields = json.loads(data)
        if isinstance(fields, dict):
            return json_format.ParseDict(fields, kind(), ignore_unknown_fields=True)
    except Exception as trouble:  # half a surrogate pair is a SystemError to the library
        raise DecodeError("not the JSON form of the event") from trouble
    raise DecodeError("not a JSON object")


def _insist_on_subject(event: Message, subject: str) -> None:
    """Refuse an event about another tenant, key or kind than the subject it was let in under."""
    try:
        honest = subject_of(event) == subject
    except BadToken:
        honest = False
    if not honest:
        raise DecodeError("the fields do not match the subject")


@dataclass(frozen=True, slots=True)
class _Placeholder:
    """A field of an event that stands in its subject."""

    field: str
    full_name: str
    words: Mapping[int, str] | None
    """How the values of an enum stand there; None: the field is a text, which stands for itself."""

    def token(self, value: str | int) -> str:
        word = str(value) if self.words is None else self.words.get(int(value), "")
        if not TOKEN.fullmatch(word):
            raise BadToken(f"{self.full_name} is not a subject token")
        return word


@cache
def _options(kind: Descriptor) -> EventOptions:
    options = kind.GetOptions()
    if not options.HasExtension(event_options):
        raise NotAnEvent(kind.full_name)
    return options.Extensions[event_options]


@cache
def _form(kind: Descriptor) -> tuple[str, tuple[_Placeholder, ...]]:
    template = _options(kind).subject
    fields = [kind.fields_by_name[name] for name in _PLACEHOLDER.findall(template)]
    return _PLACEHOLDER.sub("{}", template), tuple(map(_placeholder, fields))


def _placeholder(field: FieldDescriptor) -> _Placeholder:
    words = None if field.enum_type is None else _words(field.enum_type)
    return _Placeholder(field.name, field.full_name, words)


def _words(enum: EnumDescriptor) -> Mapping[int, str]:
    """Return the names of the values as subjects have them: TASK_CHANNEL_CALL is `call`."""
    prefix = _HUMP.sub("_", enum.name).upper() + "_"
    return {
        value.number: value.name.removeprefix(prefix).lower().replace("_", "-")
        for value in enum.values
    }
