"""Values out of a scenario's tables, each refused by name when it is not what it should be."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import IntEnum
from math import isfinite
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
    if not _is_number(value) or value <= 0:
        raise BadScenario(f"{where}: {name} is a number above 0.")
    return float(value)


def whole(table: Mapping[str, Any], name: str, where: str, default: int | None = None) -> int:
    """Return a positive whole number; without a default it must be there."""
    value = number(table, name, where, default)
    if not value.is_integer():
        raise BadScenario(f"{where}: {name} is a whole number.")
    return int(value)


def amount(table: Mapping[str, Any], name: str, where: str) -> float:
    """Return a number from 0 on; 0 when it is not there."""
    value = table.get(name, 0)
    if not _is_number(value) or value < 0:
        raise BadScenario(f"{where}: {name} is a number, 0 or above.")
    return float(value)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and abs(value) <= MOST
    )


MOST = 1e12
"""No number of a scenario is larger: milliseconds of it are still exact."""


def listed(table: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the tables of a list of them, to take apart; none when it is not there."""
    value = table.get(name, [])
    if not isinstance(value, list):
        raise BadScenario(f"{name} is a list of tables.")
    return [_table(it, f"{name} {n}") for n, it in enumerate(value, 1)]


def named(table: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return the tables of a table of them, to take apart; none when it is not there."""
    value = _table(table.get(name, {}), name)
    return {key: _table(it, f"{name}.{key}") for key, it in value.items()}


def texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadScenario(f"{where} is a list of names.")
    return value


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BadScenario(f"{where} is a table.")
    return dict(value)


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
        values[name] = (
            round(amount(table, key, where) * 1000)
            if name != key
            else _value(hints[name], value, at)
        )
        if name.endswith("_ms"):
            amount(values, name, where)
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
