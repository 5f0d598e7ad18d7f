"""Scenarios and recorded traces, from the files in which people keep them."""

import csv
import json
import tomllib
from pathlib import Path

from services.dispatch.simulation.arrivals import Recorded
from services.dispatch.simulation.recordings import recorded
from services.dispatch.simulation.scenario import Scenario, scenario
from services.dispatch.simulation.settings import BadScenario, listed


def read_scenario(path: Path) -> Scenario:
    """Read a scenario, and the traces it names beside it. Raises BadScenario, OSError."""
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadScenario(f"{path}: {error}") from error
    names = [it["trace"] for it in listed(table, "traffic") if isinstance(it.get("trace"), str)]
    return scenario(table, {name: read_trace(path.parent / name) for name in names})


def read_trace(path: Path) -> Recorded:
    """Read calls from CSV with a header, or from a JSON list. Raises BadScenario, OSError."""
    text = path.read_text()
    try:
        rows = json.loads(text) if path.suffix == ".json" else csv.DictReader(text.splitlines())
        return recorded(rows, path.name)
    except (TypeError, ValueError) as error:
        raise BadScenario(f"{path.name}: {error}") from error
