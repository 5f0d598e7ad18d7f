"""Names that others hold us to: who renames one loses what stands under it, or who listens to it.

tests/contract/frozen.toml has each. A new name gets its line there; none is changed or removed.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from centralita.options.v1.options_pb2 import event as event_option

from services.kernel.streams import STREAMS_TOML
from tests.contract.test_events import EVENTS

FROZEN = tomllib.loads(Path(__file__).with_name("frozen.toml").read_text())
SOURCES = "\n".join(path.read_text() for path in sorted(Path("services").rglob("*.py")))


def _in_sources(pattern: str) -> set[str]:
    return set(re.findall(pattern, SOURCES))


def _today() -> Iterator[tuple[str, set[str]]]:
    declared = tomllib.loads(STREAMS_TOML.read_text())
    yield "durables", _in_sources(r'\bdurable="([^"]+)"')
    for kind in ("streams", "buckets", "objects"):
        yield kind, set(declared[kind])
    yield "subjects", {event.GetOptions().Extensions[event_option].subject for event in EVENTS}
    yield "metrics", _in_sources(r'\.create_\w+\(\s*"([^"]+)"')
    yield "headers", _in_sources(r'"((?:Dead|ce|[Cc]entralita)-[A-Za-z-]+)"')


@pytest.mark.parametrize(("kind", "names"), list(_today()))
def test_every_name_is_as_it_is_frozen(kind: str, names: set[str]) -> None:
    frozen = set(FROZEN[kind])
    assert len(FROZEN[kind]) == len(frozen)
    assert not frozen - names, "renamed or removed: others hold us to these"
    assert not names - frozen, "new: write them down in tests/contract/frozen.toml"


def test_a_kind_that_is_frozen_is_looked_for() -> None:
    assert {kind for kind, _ in _today()} == set(FROZEN)
    assert all(FROZEN.values())
