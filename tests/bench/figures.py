"""What a measurement says, and how it is shown."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

REACH = Path(__file__).with_name("reach.toml")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its floor, which was measured in the same run."""

    metric: str
    value: float
    unit: str
    floor: float | None
    conditions: str

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None


@dataclass(frozen=True, slots=True)
class Reach:
    """What a figure is to hold: its value or its ratio at most, or its value `at_least`."""

    of: str
    bound: float

    @classmethod
    def read(cls, row: Mapping[str, float]) -> Self:
        """Read a row of reach.toml; ValueError for anything but one known bound."""
        [(of, bound)] = row.items()
        if of not in {"value", "ratio", "at_least"}:
            raise ValueError(f"{of} is no kind of bound")
        return cls(of, bound)

    def holds(self, figure: Figure) -> bool:
        """Tell whether the figure holds; one that has no ratio does not hold a ratio."""
        got = figure.ratio if self.of == "ratio" else figure.value
        if got is None or math.isnan(got):
            return False
        return got >= self.bound if self.of == "at_least" else got <= self.bound


def missed(figures: Sequence[Figure], reach: Mapping[str, Reach]) -> list[str]:
    """Name what does not hold: figures beyond their bound, and figures that have no bound."""
    return [
        figure.metric
        for figure in figures
        if figure.metric not in reach or not reach[figure.metric].holds(figure)
    ]


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return cuts[49] * 1e3, cuts[98] * 1e3


def middle(runs: Sequence[Sequence[float]]) -> list[float]:
    """Return the median of several runs, column by column."""
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def write(figures: Sequence[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(figure), "ratio": figure.ratio} for figure in figures]
    path.write_text(json.dumps(rows, indent=2) + "\n")


def show(figure: Figure, reach: Reach | None) -> str:
    """Return one line of the table."""
    floor = "" if figure.floor is None else f"{figure.floor:.3g}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    aim, verdict = "", "UNBOUND"
    if reach is not None:
        aim = f"{reach.of} {reach.bound:g}"
        verdict = "ok" if reach.holds(figure) else "MISSED"
    return (
        f"{figure.metric:<30} {figure.value:>10.4g} {figure.unit:<6} {floor:>8} {ratio:>7} "
        f"{aim:>16} {verdict:<7} {figure.conditions}"
    )
