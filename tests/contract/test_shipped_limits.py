"""Every limit, deadline, cache and age is the one that shipped_limits.toml says, and it says all.

A limit is a number or a time that a module, a class or a setting gives a name to, or that a call is
given under a name. One that is new is written into the file, or excused there by name.
"""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from services.kernel.consume import GIVE_UP_AFTER
from services.kernel.dead_letters import Settings as DeadLettersSettings
from services.kernel.streams import Settings as StreamsSettings
from services.standalone.fleet import SERVICES
from services.standalone.settings import Settings as StandaloneSettings
from tests.contract.test_subscribers import DECLARED

ROOT = Path(__file__).parents[2]
WRITTEN = tomllib.loads(Path(__file__).with_name("shipped_limits.toml").read_text())
TABLES = {"settings", "consumers", "given", "excused"}
MODULES: Mapping[str, Mapping[str, Any]] = {
    name: limits for name, limits in WRITTEN.items() if name not in TABLES
}
SETTINGS: Mapping[str, Any] = {
    **{name: module.Settings for name, module in SERVICES.items()},
    "dead-letters": DeadLettersSettings,
    "standalone": StandaloneSettings,
    "streams": StreamsSettings,
}
EXCUSED = {name for names in WRITTEN["excused"].values() for name in names}
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "services").rglob("*.py"))
}
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+")
#: What a field, or a call, is given that is no amount yet.
_NOTHING_YET = {-1, 0, 1}
#: Names under which a call or a parameter is given an amount that bounds nothing.
_NO_LIMIT = {"status", "indent", "capsize", "version"}


def told(value: Any) -> Any:
    """Return a value as the file writes it."""
    match value:
        case timedelta():
            return str(value).removesuffix(", 0:00:00")
        case tuple():
            return [told(each) for each in value]
        case _:
            return value


def _bounds(value: Any) -> bool:
    """Say whether a value is an amount or a time, or some of them."""
    match value:
        case bool() | Enum():
            return False
        case tuple() | list() | frozenset() | set() | range():
            return bool(value) and all(_bounds(each) for each in value)
        case _:
            return isinstance(value, int | float | timedelta)


def _named(module: str) -> Iterator[str]:
    """Yield the names that a module gives at its top, and those of its classes, dotted."""
    tree = ast.parse(SOURCES[module].read_text())
    places = [("", tree.body)]
    places += [(f"{it.name}.", it.body) for it in tree.body if isinstance(it, ast.ClassDef)]
    for prefix, body in places:
        for line in body:
            targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", 0)]
            for target in targets:
                for node in ast.walk(target) if isinstance(target, ast.expr) else ():
                    if isinstance(node, ast.Name):
                        yield f"{prefix}{node.id}"


def _found(module: str) -> dict[str, Any]:
    """Return what a module names: constants, and what the fields of a class begin with."""
    limits = {}
    for name in _named(module):
        owner, _, own = name.rpartition(".")
        place: Any = import_module(module)
        kind = getattr(place, owner) if owner else place
        if kind in SETTINGS.values() or (owner and issubclass(kind, Enum)):
            continue
        first = {it.name: it.default for it in fields(kind)} if is_dataclass(kind) else vars(kind)
        value = first.get(own)
        constant = _CONSTANT.fullmatch(own)
        if _bounds(value) and (constant or (owner and value not in _NOTHING_YET)):
            limits[name] = value
    return limits


LIMITS = {module: _found(module) for module in SOURCES}


def test_every_limit_that_a_module_names_is_written_down_or_excused() -> None:
    kept = {
        module: {
            name: told(value) for name, value in limits.items() if f"{module}.{name}" not in EXCUSED
        }
        for module, limits in LIMITS.items()
    }
    assert {module: limits for module, limits in kept.items() if limits} == MODULES


def test_nothing_is_excused_that_is_not_there() -> None:
    assert {f"{module}.{name}" for module in LIMITS for name in LIMITS[module]} >= EXCUSED


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_nobody_sets_is_what_is_written_down(name: str) -> None:
    written = WRITTEN["settings"].get(name, {})
    found = {
        each.name: told(getattr(SETTINGS[name], each.name, None)) for each in fields(SETTINGS[name])
    }
    assert {each: found[each] for each in written} == written
    amounts = {
        each.name
        for each in fields(SETTINGS[name])
        if isinstance(each.default, bool | int | float | timedelta)
    }
    assert amounts <= written.keys()


#: What is given an amount without saying its name.
_UNNAMED = re.compile(r"asyncio\.(timeout|sleep|wait_for)|secrets\.\w+")


def _given(module: str) -> Iterator[tuple[str, Any]]:
    """Yield the amounts that a call or a parameter is given as a literal, under their names."""
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        pairs: list[tuple[str, ast.expr | None]] = []
        match node:
            case ast.Call(func=function) if (called := ast.unparse(function)) != "timedelta":
                pairs = [(it.arg or "", it.value) for it in node.keywords]
                if _UNNAMED.fullmatch(called):
                    pairs += [(called, it) for it in node.args]
            case ast.arguments():
                named = [*node.posonlyargs, *node.args]
                named = named[len(named) - len(node.defaults) :] + node.kwonlyargs
                values = [*node.defaults, *node.kw_defaults]
                pairs = [(it.arg, value) for it, value in zip(named, values, strict=True)]
        for name, value in pairs:
            amount = value.value if isinstance(value, ast.Constant) else None
            if _bounds(amount) and amount not in _NOTHING_YET and name not in _NO_LIMIT:
                yield name, amount


def test_what_a_call_is_given_under_a_name_is_what_is_written_down() -> None:
    found: dict[str, dict[str, list[Any]]] = {}
    for module in SOURCES:
        for name, amount in _given(module):
            found.setdefault(module, {}).setdefault(name, []).append(amount)
    plain = {
        module: {name: them[0] if len(them) == 1 else them for name, them in given.items()}
        for module, given in found.items()
    }
    assert plain == WRITTEN["given"]


def test_a_consumer_is_as_patient_and_takes_as_much_as_is_written_down() -> None:
    """How long it may hold a message, how often it is tried, how many it holds."""
    usual = WRITTEN["consumers"]["usual"]
    assert WRITTEN["consumers"].keys() - {"usual"} <= {it.config.durable_name for _, it in DECLARED}
    for service, it in DECLARED:
        config = it.config
        has = {
            "ack_wait": config.ack_wait,
            "max_deliver": config.max_deliver,
            "max_ack_pending": config.max_ack_pending,
        }
        if by_age := (config.metadata or {}).get(GIVE_UP_AFTER):
            has["give_up_after"] = float(by_age)
        assert has == usual | WRITTEN["consumers"].get(config.durable_name, {}), service
