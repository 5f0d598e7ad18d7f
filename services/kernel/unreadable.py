"""A record that nobody can read is passed over: said, counted, and never the end of its reader."""

import logging
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from opentelemetry.metrics import Counter

from .causes import cause_of
from .telemetry import meter

log = logging.getLogger(__name__)

T = TypeVar("T")


def understood(where: str, read: Callable[[], T], *, sequence: int = 0) -> T | None:
    """Return what `read` makes of one record; None when the record cannot be read.

    `read` looks at nothing but the record, so whatever it raises is the record's fault. `where` is
    the stream, bucket or collection, `sequence` the record's place in it.
    """
    try:
        return read()
    except Exception as trouble:  # noqa: BLE001 - see above
        passed_over(where, cause_of(trouble), sequence=sequence)
        return None


def passed_over(where: str, cause: str, *, sequence: int = 0) -> None:
    """Take note that a record was left out."""
    log.error(
        "a record cannot be read and is passed over",
        extra={"stream": where, "sequence": sequence, "cause": cause},
    )
    _counter().add(1, {"messaging.destination.name": where})


@cache
def _counter() -> Counter:
    """Make it once, and not before telemetry is set up."""
    return meter().create_counter("centralita.kernel.unreadable")
