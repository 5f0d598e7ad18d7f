"""Several runs as one answer: means with how far they may be off, for people and programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan, sqrt
from statistics import fmean, stdev
from typing import Any

from .arrivals import trace
from .measures import NAMES, Measures, measured
from .run import run
from .scenario import EVERYTHING, Scenario

# 0.975 quantiles of Student's t by degrees of freedom, 1 to 30.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_T_NORMAL, _T_SLOPE = 1.960, 2.5  # beyond the table: 1.96 + 2.5/df, right to the third place


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over replications, and half the width of its 95 % confidence interval."""

    mean: float
    half_width: float

    def holds(self, value: float) -> bool:
        return abs(value - self.mean) <= self.half_width


Report = Mapping[str, Mapping[str, Estimate]]
"""By queue, then by measure."""

Replications = Sequence[Mapping[str, Measures]]


def simulated(scenario: Scenario) -> list[dict[str, Measures]]:
    """Run each replication on a trace of its own; the scenario's seed decides all of them."""
    return [
        measured(scenario, run(scenario, _trace(scenario, number)))
        for number in range(scenario.replications)
    ]


def _trace(scenario: Scenario, replication: int) -> Any:
    seed = f"{scenario.seed}/{replication}"
    return trace(scenario.traffic, seed, scenario.horizon / 1000, scenario.starts_s)


def report(of: Replications) -> Report:
    return _by_queue(of, lambda queue_id, name: [getattr(it[queue_id], name) for it in of])


def differences(of: Replications, than: Replications) -> Report:
    """Return what `of` has more than `than`: pair by pair, since each pair had the same calls."""
    return _by_queue(
        of,
        lambda queue_id, name: [
            getattr(mine[queue_id], name) - getattr(other[queue_id], name)
            for mine, other in zip(of, than, strict=True)
            if queue_id in other
        ],
    )


def _by_queue(of: Replications, values: Any) -> Report:
    return {
        queue_id: {name: estimate(values(queue_id, name)) for name in NAMES} for queue_id in of[0]
    }


def estimate(values: Sequence[float]) -> Estimate:
    known = [value for value in values if not isnan(value)]
    if not known:
        return Estimate(nan, nan)
    if len(known) == 1:
        return Estimate(known[0], nan)
    free = len(known) - 1
    quantile = _T[free - 1] if free <= len(_T) else _T_NORMAL + _T_SLOPE / free
    return Estimate(fmean(known), quantile * stdev(known) / sqrt(len(known)))


_COLUMNS = (
    ("calls", "calls", 1.0, 0),
    ("SL %", "service_level", 100.0, 1),
    ("wait s", "wait_mean", 1.0, 1),
    ("P50", "wait_p50", 1.0, 1),
    ("P90", "wait_p90", 1.0, 1),
    ("P99", "wait_p99", 1.0, 1),
    ("gave up %", "abandoned", 100.0, 1),
    ("busy %", "occupancy", 100.0, 1),
    ("Gini", "gini", 1.0, 3),
    ("Jain", "jain", 1.0, 3),
)


def table(of: Report) -> str:
    """Lay a report out in lines: each mean beside what it may be off."""
    queues = [*(it for it in of if it != EVERYTHING), EVERYTHING]
    rows = [["queue", *(title for title, *_ in _COLUMNS)]]
    rows += [
        [
            queue_id,
            *(_cell(of[queue_id][name], times, digits) for _, name, times, digits in _COLUMNS),
        ]
        for queue_id in queues
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _cell(it: Estimate, times: float, digits: int) -> str:
    if isnan(it.mean):
        return "-"
    mean = f"{it.mean * times:.{digits}f}"
    return mean if isnan(it.half_width) else f"{mean} ± {it.half_width * times:.{digits}f}"


def plain(of: Report) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return a report as JSON can hold it: what is not a number is null."""
    return {
        queue_id: {
            name: {key: None if isnan(value) else value for key, value in asdict(one).items()}
            for name, one in measures.items()
        }
        for queue_id, measures in of.items()
    }
