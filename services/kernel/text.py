"""One rule of text for every service: what is empty, what is one line, how long is too long.

The bounds of a text stand in its proto field, and nobody else judges it: what one service takes, no
other refuses. Blanks around one line mean nothing: they are taken off at the door, before anybody
judges, compares or keeps it.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import ClassVar

from centralita.options.v1.options_pb2 import TextOptions
from centralita.options.v1.options_pb2 import text as text_option
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159\U00013441\U00013442")
"""Letters and symbols by their category, of which nothing shows."""

_INVISIBLE = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Mc", "Me"))
"""Blanks, controls, formats, and marks that show only on a letter."""

_WITHIN_WORDS = frozenset("\xad\u061c\u200c\u200d\u200e\u200f") | set(
    map(chr, range(0xE0020, 0xE0080))
)
"""Formats that names and emoji are written with: joiners, direction marks, tags."""


class Fault(Enum):
    EMPTY = "empty"
    TOO_LONG = "too long"
    NOT_ONE_LINE = "not one line"


class TextInvalid(Exception):
    """A text of a request breaks its rule. `details` names the field and the rule."""

    reason: ClassVar[str] = "FIELD_INVALID"

    def __init__(self, flaw: "TextFlaw") -> None:
        super().__init__(f"{flaw.field}: {flaw.advice}")
        rule = "printable" if flaw.fault is Fault.NOT_ONE_LINE else "length"
        self.details: Mapping[str, str] = {"field": flaw.field, "rule": rule}


@dataclass(frozen=True, slots=True)
class TextFlaw:
    """A text that breaks its rule. `field` is its path in the message, with dots."""

    field: str
    fault: Fault
    rule: TextOptions

    @property
    def advice(self) -> str:
        least, most = self.rule.min_length, self.rule.max_length
        kind = "characters" if self.rule.multiline else "printable characters"
        bounds = f"{least} to {most}" if least else f"at most {most}"
        return f"send {bounds} {kind}."


def trim(message: Message) -> None:
    """Take the blanks off around every text of one line, in the message and those inside it."""
    for field, rule in _texts(message.DESCRIPTOR):
        value = getattr(message, field.name)
        if rule is None:
            present = field.is_repeated or message.HasField(field.name)
            for one in (value if field.is_repeated else (value,)) if present else ():
                trim(one)
        elif rule.multiline:
            continue
        elif field.is_repeated:
            value[:] = [one.strip() for one in value]
        elif (bare := value.strip()) != value:
            setattr(message, field.name, bare)


def shows(text: str) -> bool:
    """Tell whether anything of a text can be seen."""
    return any(map(_shows, text))


def flaw_in(message: Message) -> TextFlaw | None:
    """Return the first text of a message, or of one inside it, that breaks its rule."""
    return next(_flaws(message, ""), None)


def flaw_of(kind: type[Message], field: str, text: str) -> TextFlaw | None:
    """Judge what shall become a field of a message of this kind."""
    rule = _rule(kind, field)
    fault = _fault(text, rule)
    return None if fault is None else TextFlaw(field, fault, rule)


def longest(kind: type[Message], field: str) -> int:
    """Return how many code points a text may have."""
    return _rule(kind, field).max_length


def fitted(kind: type[Message], field: str, text: str) -> str:
    """Return what was made under looser rules as the field takes it: empty where nothing shows."""
    rule = _rule(kind, field)
    if not rule.multiline:
        text = " ".join("".join(filter(_in_line, text)).split())
    return text[: rule.max_length].rstrip() if shows(text) else ""


def _shows(char: str) -> bool:
    if "!" <= char <= "~":
        return True
    category = unicodedata.category(char)
    if category == "Cn":  # letters and emoji of a newer Unicode than ours
        return not (_reserved(char) or _is_noncharacter(char))
    return category not in _INVISIBLE and char not in _BLANK


def _in_line(char: str) -> bool:
    if " " <= char <= "~":
        return True
    category = unicodedata.category(char)
    if category == "Cf":
        return char in _WITHIN_WORDS
    if category == "Cn":
        return not (_reserved(char) or _is_noncharacter(char))
    return category not in {"Cc", "Cs", "Co", "Zl", "Zp"} or char in "\t\n\r"


def _reserved(char: str) -> bool:
    """Tell whether Unicode keeps it for what will never show."""
    return char == "\u2065" or "\ufff0" <= char <= "\ufff8" or "\U000e0000" <= char <= "\U000e0fff"


def _is_noncharacter(char: str) -> bool:
    return ord(char) & 0xFFFE == 0xFFFE or "\ufdd0" <= char <= "\ufdef"  # noqa: PLR2004


def _fault(text: str, rule: TextOptions) -> Fault | None:
    if rule.min_length and (len(text) < rule.min_length or not shows(text)):
        return Fault.EMPTY
    if len(text) > rule.max_length:
        return Fault.TOO_LONG
    if not rule.multiline and not all(_in_line(char) and char not in "\t\n\r" for char in text):
        return Fault.NOT_ONE_LINE
    return None


def _flaws(message: Message, prefix: str) -> Iterator[TextFlaw]:
    for field, rule in _texts(message.DESCRIPTOR):
        if field.has_presence and not message.HasField(field.name):
            continue
        value, path = getattr(message, field.name), prefix + field.name
        for one in value if field.is_repeated else (value,):
            if rule is None:
                yield from _flaws(one, f"{path}.")
            elif (fault := _fault(one, rule)) is not None:
                yield TextFlaw(path, fault, rule)


@cache
def _texts(kind: Descriptor) -> tuple[tuple[FieldDescriptor, TextOptions | None], ...]:
    """Return the fields of a message that are texts, with their rules, or that hold some."""
    found: list[tuple[FieldDescriptor, TextOptions | None]] = []
    for field in kind.fields:
        options = field.GetOptions()
        if options.HasExtension(text_option):
            found.append((field, options.Extensions[text_option]))
        elif _is_ours(field.message_type) and _texts(field.message_type):
            found.append((field, None))
    return tuple(found)


def _is_ours(kind: Descriptor | None) -> bool:
    """Tell whether texts in such messages may have rules. A Struct, say, holds Structs for ever."""
    return kind is not None and kind.full_name.startswith("centralita.")


def _rule(kind: type[Message], field: str) -> TextOptions:
    return kind.DESCRIPTOR.fields_by_name[field].GetOptions().Extensions[text_option]
