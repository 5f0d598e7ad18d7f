"""One table of the seed file, read to the last key."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import IntEnum
from typing import Any, TypeVar

from google.protobuf.message import Message

from services.directory.domain.errors import FieldInvalid
from services.kernel.text import flaw_of

E = TypeVar("E", bound=IntEnum)
T = TypeVar("T")


class SeedInvalid(ValueError):
    """The seed breaks a rule; names the place and the rule, never what stands there."""


class Table:
    """A TOML table that is read to the last key: one nobody asked for is a mistake."""

    def __init__(self, place: str, content: object) -> None:
        if not isinstance(content, dict):
            raise SeedInvalid(f"{place}: must be a table")
        self.place = place
        self._left: dict[str, Any] = dict(content)

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self._left.pop(key, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise SeedInvalid(f"{self.place}.{key}: must be given, as {kind.__name__}")
        return value

    def text(self, key: str, kind: type[Message], field: str = "display_name") -> str:
        """Return what shall become a field of such a message, judged by the rule of the field."""
        value = self.take(key, str)
        if (flaw := flaw_of(kind, field, value)) is not None:
            raise SeedInvalid(f"{self.place}.{key}: {flaw.advice}")
        return value

    def maybe(self, key: str, kind: type[T]) -> T | None:
        """Return what stands at this key, if anything does."""
        return self.take(key, kind) if key in self._left else None

    def words(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise SeedInvalid(f"{self.place}.{key}: must be a list of str")
        return tuple(values)

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        return self.member(key, kind, self.take(key, str, default.name if default else None))

    def member(self, key: str, kind: type[E], text: str) -> E:
        names = {it.name.lower(): it for it in kind}
        chosen = names.get(text.lower().replace("-", "_"))
        if chosen is None:
            raise SeedInvalid(f"{self.place}.{key}: must be one of {', '.join(names)}")
        return chosen

    def numbers(self, key: str) -> dict[str, int]:
        """Return a table of whole numbers by name."""
        inner = Table(f"{self.place}.{key}", self.take(key, dict, {}))
        return {name: inner.take(name, int) for name in inner.names()}

    def choices(self, key: str, kind: type[E]) -> tuple[E, ...]:
        return tuple(self.member(key, kind, text) for text in self.words(key))

    def seconds(self, key: str, default: timedelta | None = None) -> timedelta:
        """Return the span at `<key>_seconds`, whole or not; it must be there without a default."""
        span = self.maybe_seconds(key)
        if span is None:
            span = default
        if span is None:
            raise SeedInvalid(f"{self.place}.{key}_seconds: must be given, as a number")
        return span

    def maybe_seconds(self, key: str) -> timedelta | None:
        value = self._left.pop(f"{key}_seconds", None)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise SeedInvalid(f"{self.place}.{key}_seconds: must be given, as a number")
        try:
            return timedelta(seconds=value)
        except (OverflowError, ValueError):
            raise SeedInvalid(f"{self.place}.{key}_seconds: is no span of time") from None

    def table(self, key: str) -> "Table | None":
        """Return the table at this key, if there is one."""
        return Table(f"{self.place}.{key}", self.take(key, dict)) if key in self._left else None

    def rows(self, key: str) -> Iterator["Table"]:
        """Yield the tables of a list."""
        for number, row in enumerate(self.take(key, list, [])):
            yield Table(f"{self.place}.{key}[{number}]", row)

    def is_empty(self) -> bool:
        return not self._left

    def names(self) -> tuple[str, ...]:
        return tuple(self._left)

    def tables(self, key: str) -> dict[str, "Table"]:
        inner = self.take(key, dict, {})
        return {name: Table(f"{self.place}.{key}.{name}", it) for name, it in inner.items()}

    def done(self) -> None:
        if self._left:
            raise SeedInvalid(f"{self.place}: nobody knows {', '.join(sorted(self._left))}")


def checked(table: Table, check: Callable[[], T]) -> T:
    try:
        return check()
    except FieldInvalid as wrong:
        raise SeedInvalid(f"{table.place}: {wrong}") from None


def built(table: Table, build: Callable[[Table], T]) -> T:
    """Return what `build` makes of the table, which must then be read to the last key."""
    value = build(table)
    table.done()
    return value
