"""Settings come from the environment, once, and a wrong one stops the process by name.

A settings class is a plain frozen dataclass. Each field is read from the variable with its
name in upper case. Values are never shown: they may be secrets.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


S = TypeVar("S", bound=_Dataclass)


class Misconfigured(Exception):
    """Settings are missing or wrong. `problems` names each variable and the rule it breaks."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name} {rule}" for name, rule in problems.items()))
        self.problems = dict(problems)


def from_env(kind: type[S], env: Mapping[str, str] = os.environ) -> S:
    """Build settings from the environment, or raise Misconfigured with every bad field.

    A field without a default must be set. An empty variable counts as not set, so that a
    deployment can pass one through without having it.
    """
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in fields(kind):
        name = field.name.upper()
        rule, parse = _PARSERS[hints[field.name]]
        text = env.get(name, "").strip()
        if text:
            try:
                values[field.name] = parse(text)
            except ValueError:
                problems[name] = rule
        elif field.default is MISSING and field.default_factory is MISSING:
            problems[name] = "must be set"
    if problems:
        raise Misconfigured(problems)
    return kind(**values)


def _bool(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
        text.lower()
    ]


def _flag(text: str) -> bool:
    try:
        return _bool(text)
    except KeyError:
        raise ValueError from None


def _seconds(text: str) -> timedelta:
    seconds = float(text)
    if not 0 <= seconds < 10**9:  # also false for nan
        raise ValueError
    return timedelta(seconds=seconds)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


_PARSERS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    str: ("must be text", str),
    int: ("must be a whole number", int),
    float: ("must be a number", float),
    bool: ("must be true or false", _flag),
    timedelta: ("must be a number of seconds", _seconds),
    Path: ("must be a path", Path),
    tuple[str, ...]: ("must be a list with commas", _words),
}
