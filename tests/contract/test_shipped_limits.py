"""Every limit, deadline, cache and age is the one that shipped_limits.toml says."""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from services.kernel.streams import Settings as StreamsSettings
from services.standalone.fleet import SERVICES
from services.standalone.settings import Settings as StandaloneSettings

WRITTEN = tomllib.loads(Path(__file__).with_name("shipped_limits.toml").read_text())
MODULES: Mapping[str, Mapping[str, Any]] = {
    name: limits for name, limits in WRITTEN.items() if name != "settings"
}
SETTINGS: Mapping[str, Any] = {
    **{name: module.Settings for name, module in SERVICES.items()},
    "standalone": StandaloneSettings,
    "streams": StreamsSettings,
}


def told(value: Any) -> Any:
    """Return a value as the file writes it."""
    match value:
        case timedelta():
            return str(value).removesuffix(", 0:00:00")
        case tuple():
            return [told(each) for each in value]
        case _:
            return value


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_the_limits_that_are_written_down(module: str) -> None:
    found = vars(import_module(module))
    written = MODULES[module]
    assert {name: told(found[name]) for name in written} == written


@pytest.mark.parametrize("name", WRITTEN["settings"])
def test_a_setting_that_nobody_sets_is_what_is_written_down(name: str) -> None:
    written = WRITTEN["settings"][name]
    assert {each: told(getattr(SETTINGS[name], each)) for each in written} == written
