"""Scenarios and recorded traces, from the files in which people keep them."""

import csv
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from services.dispatch.simulation.arrivals import Arrival, Recorded
from services.dispatch.simulation.scenario import Scenario, scenario
from services.dispatch.simulation.settings import BadScenario, number, only

_COLUMNS = ("at_s", "queue", "service_s", "patience_s")


def read_scenario(path: Path) -> Scenario:
    """Read a scenario, and the traces it names beside it. Raises BadScenario, OSError."""
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadScenario(f"{path}: {error}") from error
    names = [it["trace"] for it in table.get("traffic", []) if "trace" in it]
    return scenario(table, {name: read_trace(path.parent / name) for name in names})


def read_trace(path: Path) -> Recorded:
    """Read calls from CSV with a header, or from a JSON list: at_s, queue, service_s, patience_s.

    Seconds; `at_s` since the run begins. What is left out is drawn as for other traffic. Raises
    BadScenario, OSError.
    """
    text = path.read_text()
    rows: Iterable[Any] = (
        json.loads(text) if path.suffix == ".json" else csv.DictReader(text.splitlines())
    )
    try:
        arrivals = sorted(
            (_arrival(row, f"{path.name}, call {n}") for n, row in enumerate(rows, 1)),
            key=lambda it: it.at_s,
        )
    except (TypeError, ValueError) as error:
        raise BadScenario(f"{path.name}: {error}") from error
    if not arrivals:
        raise BadScenario(f"{path.name}: no calls.")
    return Recorded(tuple(arrivals))


def _arrival(row: Mapping[str, Any], where: str) -> Arrival:
    given = {name: value for name, value in row.items() if value not in {"", None}}
    only(given, where, *_COLUMNS)
    seconds = {name: float(value) for name, value in given.items() if name != "queue"}
    at_s = seconds.pop("at_s", -1.0)
    if at_s < 0:
        raise BadScenario(f"{where}: at_s is a number, 0 or above.")
    return Arrival(
        at_s,
        number(seconds, "service_s", where) if "service_s" in seconds else None,
        number(seconds, "patience_s", where) if "patience_s" in seconds else None,
        str(given.get("queue", "")),
    )
