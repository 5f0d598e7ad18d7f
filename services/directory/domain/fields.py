"""The rules of single fields: what passes is clean, what does not names field and rule."""

import re
from collections.abc import Hashable, Iterable, Sequence
from datetime import timedelta
from enum import IntEnum
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from .errors import FieldInvalid

MAX_REFERENCES = 1000
MAX_ORIGINS = 50
MAX_URL = 2048
MAX_EMAIL = 254

_SLUG = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_TENANT = re.compile(r"[a-z0-9-]{2,40}", re.ASCII)
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]+")

E = TypeVar("E", bound=IntEnum)


def slug(field: str, value: str) -> str:
    if not _SLUG.fullmatch(value):
        raise FieldInvalid(field, "slug", "send 1 to 64 of A-Z, a-z, 0-9, _ and -.")
    return value


def tenant_slug(field: str, value: str) -> str:
    if not _TENANT.fullmatch(value):
        raise FieldInvalid(field, "slug", "send 2 to 40 of a-z, 0-9 and -.")
    return value


def email(field: str, value: str) -> str:
    if len(value) > MAX_EMAIL or not value.isprintable() or not _EMAIL.fullmatch(value):
        raise FieldInvalid(field, "email", "send an address such as ana@example.com.")
    return value


def length(field: str, value: str, least: int, most: int) -> str:
    if not least <= len(value) <= most:
        raise FieldInvalid(field, "length", f"send {least} to {most} characters.")
    return value


def number(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise FieldInvalid(field, "range", f"send a number from {least} to {most}.")
    return value


def span(field: str, value: timedelta, least: timedelta, most: timedelta) -> timedelta:
    if not least <= value <= most:
        raise FieldInvalid(field, "range", f"send {_said(least)} to {_said(most)}.")
    return value


def few(field: str, values: Sequence[object], most: int) -> None:
    if len(values) > most:
        raise FieldInvalid(field, "count", f"send at most {most}.")


def once(field: str, values: Iterable[Hashable]) -> None:
    """Refuse a list that names something twice."""
    seen: set[Hashable] = set()
    for value in values:
        if value in seen:
            raise FieldInvalid(field, "once", "name each only once.")
        seen.add(value)


def member(field: str, kind: type[E], value: int) -> E:
    """Return the member of `kind` with this number; unknown and unspecified are refused."""
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(it.name for it in kind)
        raise FieldInvalid(field, "member", f"send one of {names}.") from None


def slugs(field: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return references to others, sorted, each once."""
    return tuple(sorted(in_order(field, values)))


def in_order(field: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return references to others in the order they were given, each once."""
    clean = tuple(dict.fromkeys(slug(field, value) for value in values))
    few(field, clean, MAX_REFERENCES)
    return clean


def url(field: str, value: str) -> str:
    """Return an address we may post to. Only its form is checked here.

    Whether it leads into our own network is decided when it is used, where names resolve.
    """
    parts = _parts(field, value)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise FieldInvalid(field, "url", "leave out user, password and fragment.")
    return value


def origins(field: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return web origins as browsers send them, sorted, each once."""
    clean = tuple(sorted({_origin(field, value) for value in values}))
    few(field, clean, MAX_ORIGINS)
    return clean


def _origin(field: str, value: str) -> str:
    parts = _parts(field, value)
    default = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in {None, default} else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if value != f"{parts.scheme}://{host}{port}":
        raise FieldInvalid(field, "origin", "send scheme://host or scheme://host:port, lower case.")
    return value


def _parts(field: str, value: str) -> SplitResult:
    clean = len(value) <= MAX_URL and value.isascii() and value.isprintable() and " " not in value
    try:
        parts = urlsplit(value)
        good = clean and parts.scheme in {"http", "https"} and bool(parts.hostname)
        good = good and parts.port != 0 and "\\" not in value
    except ValueError:  # a port that is no number, a bracket left open
        good = False
    if not good:
        raise FieldInvalid(field, "url", "send an http or https URL of at most 2048 characters.")
    return parts


def _said(span: timedelta) -> str:
    """Return the span in the largest unit that divides it: 90 s, 10 min, 24 h, 90 days."""
    seconds = span // timedelta(seconds=1)
    for unit, size, least in (("days", 86_400, 2), ("h", 3_600, 1), ("min", 60, 1)):
        if seconds % size == 0 and seconds >= size * least:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
