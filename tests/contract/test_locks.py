"""The locks hold what is asked for, without asking anybody outside."""

import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WHOLE, IMAGE = ROOT / "requirements.lock", ROOT / "deploy/docker/requirements.lock"
EXTRAS = PROJECT["optional-dependencies"]

_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ \\;]+)(?: ; ([^\\]+?))? \\\n((?:    --hash.*\n)+)")

Pins = dict[str, set[Version]]


def _pins(text: str) -> Pins:
    """Return the versions of each package; one may have several, for different Pythons."""
    found: Pins = {}
    for line in re.split(r"\n(?=[a-z0-9])", text):
        pin = _PIN.match(line + "\n")
        assert pin is not None, line[:80]
        Marker(pin[3]) if pin[3] else None
        found.setdefault(canonicalize_name(pin[1]), set()).add(Version(pin[2]))
    return found


def _unmet(asked: list[str], pins: Pins) -> set[str]:
    """Return what is asked for, directly or by what is installed, and not pinned so."""
    unmet, seen, queue = set(), set(), [Requirement(text) for text in asked]
    while queue:
        it = queue.pop()
        name = canonicalize_name(it.name)
        if (name, frozenset(it.extras)) in seen:
            continue
        seen.add((name, frozenset(it.extras)))
        if not any(it.specifier.contains(v, prereleases=True) for v in pins.get(name, ())):
            unmet.add(str(it))
        queue += _dependencies(name, it.extras)
    return unmet


def _dependencies(name: str, extras: set[str]) -> list[Requirement]:
    try:
        all_of_them = [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:
        return []
    environment = {key: str(value) for key, value in default_environment().items()}
    return [
        it
        for it in all_of_them
        if it.marker is None
        or any(it.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))
    ]


def test_the_lock_pins_all_that_is_asked_for_and_all_that_that_needs() -> None:
    asked = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    assert not _unmet(asked, _pins(WHOLE.read_text()))


def test_the_image_has_the_tested_versions_of_what_runs_and_nothing_else() -> None:
    whole, image = _pins(WHOLE.read_text()), _pins(IMAGE.read_text())
    assert not _unmet(PROJECT["dependencies"], image)
    assert image.items() <= whole.items()
    direct = {canonicalize_name(Requirement(text).name) for text in EXTRAS["dev"]}
    assert not direct & image.keys()


@pytest.mark.parametrize("lock", [WHOLE, IMAGE], ids=lambda it: it.parent.name)
def test_a_lock_names_no_index(lock: Path) -> None:
    assert not re.search(r"https?:|file:|--index|--find-links", lock.read_text())


def test_the_lock_of_the_shell_pins_all_of_it_with_hashes_and_no_registry() -> None:
    home = ROOT / "tests/mongosh"
    asked = json.loads((home / "package.json").read_text())["dependencies"]
    own, *packages = json.loads((home / "package-lock.json").read_text())["packages"].values()
    assert own["dependencies"] == asked
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.values())
    assert packages
    assert all(one["integrity"].startswith("sha512-") for one in packages)
    assert not [one for one in packages if "resolved" in one]


def test_what_generates_code_is_as_old_as_what_runs_it() -> None:
    pins = _pins(WHOLE.read_text())
    assert pins["grpcio-tools"] == pins["grpcio"] == pins["grpcio-status"]


def test_a_missing_an_old_or_an_unhashed_pin_would_be_seen() -> None:
    text = WHOLE.read_text()
    pins = _pins(text)
    assert _unmet(["left-pad"], pins) == {"left-pad"}
    assert _unmet(["aiohttp>=999"], pins) == {"aiohttp>=999"}
    del pins["yarl"]
    assert any(name.startswith("yarl") for name in _unmet(["aiohttp"], pins))
    with pytest.raises(AssertionError):
        _pins("aiohttp==3.0\n")
