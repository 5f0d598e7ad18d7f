"""What a measurement says, and how it is shown."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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


def show(figure: Figure, reach: tuple[str, float] | None) -> str:
    """Return one line of the table; `reach` is what to hold: the value or the ratio, at most."""
    floor = "" if figure.floor is None else f"{figure.floor:.3g}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    aim = verdict = ""
    if reach is not None:
        of, bound = reach
        got = figure.ratio if of == "ratio" else figure.value
        held = got is not None and (got >= bound if of == "at_least" else got <= bound)
        aim = f"{of} {bound:g}"
        verdict = "ok" if held else "MISSED"
    return (
        f"{figure.metric:<30} {figure.value:>10.4g} {figure.unit:<6} {floor:>8} {ratio:>7} "
        f"{aim:>16} {verdict:<6} {figure.conditions}"
    )
