"""Traces of calls that really came, out of the rows in which people keep them."""

from collections.abc import Iterable, Mapping
from typing import Any

from .arrivals import Arrival, Recorded
from .settings import BadScenario, amount, number, only

_COLUMNS = ("at_s", "queue", "service_s", "patience_s")


def recorded(rows: Iterable[Any], where: str) -> Recorded:
    """Read calls: at_s, queue, service_s, patience_s; whoever has only text has numbers in it.

    Seconds; `at_s` since the run begins. What is left out is drawn as for other traffic. Raises
    BadScenario.
    """
    arrivals = sorted(
        (_arrival(row, f"{where}, call {n}") for n, row in enumerate(rows, 1)),
        key=lambda it: it.at_s,
    )
    if not arrivals:
        raise BadScenario(f"{where}: no calls.")
    return Recorded(tuple(arrivals))


def _arrival(row: Any, where: str) -> Arrival:
    if not isinstance(row, Mapping):
        raise BadScenario(f"{where} has {', '.join(_COLUMNS)}.")
    given = {name: value for name, value in row.items() if value not in ("", None)}
    only(given, where, *_COLUMNS)
    queue_id = given.pop("queue", "")
    try:
        seconds = {name: float(value) for name, value in given.items()}
    except (TypeError, ValueError) as error:
        raise BadScenario(f"{where}: {error}") from error
    return Arrival(
        amount({"at_s": None, **seconds}, "at_s", where),
        number(seconds, "service_s", where) if "service_s" in seconds else None,
        number(seconds, "patience_s", where) if "patience_s" in seconds else None,
        str(queue_id),
    )
