"""Settings come from the environment, once, and a wrong one stops the process by name.

A settings class is a plain frozen dataclass. Each field is read from the variable with its
name in upper case; its type says what is allowed, and docs/settings.md is made from both. Values
are never shown: they may be secrets.
"""

import ipaddress
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, TypeVar, get_args, get_origin, get_type_hints


class Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


S = TypeVar("S", bound=Dataclass)


class Misconfigured(Exception):
    """Settings are missing or wrong. `problems` names each variable and the rule it breaks."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name} {rule}" for name, rule in problems.items()))
        self.problems = dict(problems)


@dataclass(frozen=True)
class Between:
    """Bounds of a number, both included; of a time they are seconds."""

    least: float
    most: float

    def holds(self, value: float | timedelta) -> bool:
        number = value.total_seconds() if isinstance(value, timedelta) else value
        return math.isfinite(number) and self.least <= number <= self.most

    def __str__(self) -> str:
        return f"from {self.least:,g} to {self.most:,.15g}"


@dataclass(frozen=True)
class Shaped:
    """A form of text: the rule as people read it, and what tells whether it holds."""

    rule: str
    told: Callable[[str], bool]

    def holds(self, value: str) -> bool:
        return self.told(value)

    def __str__(self) -> str:
        return self.rule


Rule = Between | Shaped


def is_address(text: str) -> bool:
    """Tell whether text is host:port; an IPv6 host stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > LAST_PORT:
        return False
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return host.endswith("]")
    return re.fullmatch(r"[A-Za-z0-9_.-]+", host) is not None


def _is_url(scheme: str, several: bool) -> Callable[[str], bool]:  # noqa: FBT001 - read at its two uses
    def told(text: str) -> bool:
        servers = text.split(",") if several else [text]
        return all(re.fullmatch(rf"{scheme}://[^\s/]+(/\S*)?", one.strip()) for one in servers)

    return told


LAST_PORT = 65535
SHORTEST_SECRET = 16
#: What a number may be where its field says no more: no limit of ours is 0, or endless.
NUMBER = Between(1, 10**6)
SHARE = Between(0.001, 10**6)
SECONDS = Between(0.001, 400 * 86400)

Port = Annotated[int, Between(1, LAST_PORT)]
Address = Annotated[
    str, Shaped("host:port, such as 127.0.0.1:50051 or [::1]:50051, port 0 to 65535", is_address)
]
OptionalAddress = Annotated[
    str,
    Shaped(
        "host:port, such as 0.0.0.0:8081, or nothing", lambda text: not text or is_address(text)
    ),
]
NatsUrl = Annotated[
    str,
    Shaped(
        "nats://user:password@host:port, several with commas", _is_url("(nats|tls)", several=True)
    ),
]
MongoUrl = Annotated[
    str,
    Shaped("mongodb://... or mongodb+srv://...", _is_url(r"mongodb(\+srv)?", several=False)),
]
WebUrl = Annotated[str, Shaped("http://... or https://...", _is_url("https?", several=False))]
File = Annotated[str, Shaped("a file that is there", lambda text: Path(text).is_file())]
Secret = Annotated[str, Shaped("16 characters or more", lambda text: len(text) >= SHORTEST_SECRET)]
EventLoop = Annotated[str, Shaped("uvloop or asyncio", lambda text: text in {"uvloop", "asyncio"})]


def from_env(kind: type[S], env: Mapping[str, str] = os.environ) -> S:
    """Build settings from the environment, or raise Misconfigured with every bad field.

    A field without a default must be set. An empty variable counts as not set, so that a
    deployment can pass one through without having it.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    types = types_of(kind)
    for field in fields(kind):
        name = field.name.upper()
        base, rule = types[field.name]
        wanted, parse = _PARSERS[base]
        allowed = str(rule) if rule and base is str else f"{wanted} {rule or ''}".rstrip()
        text = env.get(name, "").strip()
        if text:
            try:
                values[field.name] = value = parse(text)
            except (ValueError, OverflowError):
                problems[name] = f"must be {allowed}"
                continue
            if rule is not None and not rule.holds(value):
                problems[name] = f"must be {allowed}"
        elif field.default is MISSING and field.default_factory is MISSING:
            problems[name] = f"must be set: {allowed}"
    if problems:
        raise Misconfigured(problems)
    return kind(**values)


def from_env_or_exit(kind: type[S], name: str) -> S:
    """Build settings, or end the process with one line that says what is wrong."""
    try:
        return from_env(kind)
    except Misconfigured as wrong:
        sys.exit(f"{name}: {wrong}")


def types_of(kind: type[Any]) -> dict[str, tuple[Any, Rule | None]]:
    """Return the type of each field, and the rule that its values keep."""
    found: dict[str, tuple[Any, Rule | None]] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        base, *rules = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        found[name] = base, next(iter(rules), _RULES.get(base))
    return found


def _flag(text: str) -> bool:
    spelt = {"true": True, "1": True, "yes": True, "on": True}
    spelt |= {"false": False, "0": False, "no": False, "off": False}
    try:
        return spelt[text.lower()]
    except KeyError:
        raise ValueError from None


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):  # int() reads 1_000, and digits of any script
        raise ValueError
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text):
        raise ValueError
    return float(text)


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=_number(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


_RULES: Mapping[Any, Rule] = {int: NUMBER, float: SHARE, timedelta: SECONDS}
_PARSERS: Mapping[Any, tuple[str, Callable[[str], Any]]] = {
    str: ("text", str),
    int: ("a whole number", _whole),
    float: ("a number", _number),
    bool: ("true or false", _flag),
    timedelta: ("a number of seconds", _seconds),
    Path: ("a path", Path),
    tuple[str, ...]: ("a list with commas", _words),
}
