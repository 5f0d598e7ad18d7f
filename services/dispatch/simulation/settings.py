"""Values out of a scenario's tables, each refused by name when it is not what it should be."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import IntEnum
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

S = TypeVar("S")


class BadScenario(ValueError):
    """A scenario that cannot be run; the text names the place and the rule."""


def only(table: Mapping[str, Any], where: str, *names: str) -> None:
    """Refuse what nobody would look at: a setting that is misspelt must not be ignored."""
    if unknown := sorted(set(table) - set(names)):
        raise BadScenario(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(names)}.")


def number(table: Mapping[str, Any], name: str, where: str, default: float | None = None) -> float:
    """Return a positive number; without a default it must be there."""
    value = table.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise BadScenario(f"{where}: {name} is a number above 0.")
    return float(value)


def settings(kind: type[S], table: Mapping[str, Any], where: str, **given: Any) -> S:
    """Build one of the engine's own settings, so that a scenario can say all that a queue can.

    Keys are the names of the fields; for `x_ms` also `x_s`. Enumerations are named in lower case;
    a field that is itself settings is a table.
    """
    known = {it.name: it for it in fields(kind) if it.name not in given}  # type: ignore[arg-type] # a dataclass
    hints = get_type_hints(kind)
    values = dict(given)
    for key, value in table.items():
        name = f"{key[:-2]}_ms" if key.endswith("_s") and f"{key[:-2]}_ms" in known else key
        if name not in known:
            raise BadScenario(f"{where}: unknown {key}; known: {', '.join(known)}.")
        at = f"{where}.{key}"
        values[name] = round(value * 1000) if name != key else _value(hints[name], value, at)
    missing = [
        name
        for name, it in known.items()
        if name not in values and it.default is MISSING and it.default_factory is MISSING
    ]
    if missing:
        raise BadScenario(f"{where}: {', '.join(missing)} must be set.")
    return kind(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) is UnionType:
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    if get_origin(hint) is tuple:
        return _several(get_args(hint), value, where)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        if not isinstance(value, str) or value.upper() not in hint.__members__:
            raise BadScenario(f"{where}: one of {', '.join(hint.__members__).lower()}.")
        return hint[value.upper()]
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise BadScenario(f"{where} is a table.")
        return settings(hint, value, where)
    if isinstance(hint, type) and type(value) is not hint:
        raise BadScenario(f"{where} is of type {hint.__name__}.")
    return value


def _several(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if isinstance(value, Mapping):
        value = sorted(value.items())
    if not isinstance(value, list | tuple):
        raise BadScenario(f"{where} is a list.")
    if kinds[-1] is Ellipsis:
        return tuple(_value(kinds[0], one, where) for one in value)
    if len(kinds) != len(value):
        raise BadScenario(f"{where} has {len(kinds)} parts.")
    return tuple(_value(kind, one, where) for kind, one in zip(kinds, value, strict=True))
