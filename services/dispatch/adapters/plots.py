"""Reports as pictures."""

from collections.abc import Mapping
from math import isnan
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from services.dispatch.simulation.report import Report

_PANELS = (
    ("Wait, mean (s)", "wait_mean", 1.0),
    ("Wait, P90 (s)", "wait_p90", 1.0),
    ("Answered in time (%)", "service_level", 100.0),
    ("Gave up (%)", "abandoned", 100.0),
    ("Agents busy (%)", "occupancy", 100.0),
    ("Unequal work (Gini)", "gini", 1.0),
)


def plot(reports: Mapping[str, Report], path: Path) -> None:
    """Draw the measures of each queue side by side, with their 95 % intervals.

    The end of the name says the kind of picture. Raises OSError, and ValueError for a kind that
    cannot be drawn.
    """
    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.subplots(2, 3)
    for axis, (title, name, times) in zip(axes.flat, _PANELS, strict=True):
        _bars(axis, reports, name, times)
        axis.set_title(title)
    if len(reports) > 1:
        figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center")
    figure.savefig(path)


def _bars(axis: Axes, reports: Mapping[str, Report], name: str, times: float) -> None:
    queues = list(next(iter(reports.values())))
    width = 0.8 / len(reports)
    for place, (scenario, found) in enumerate(reports.items()):
        shown = [found[queue_id][name] for queue_id in queues]
        axis.bar(
            [at + place * width for at in range(len(queues))],
            [it.mean * times for it in shown],
            width,
            yerr=[0 if isnan(it.half_width) else it.half_width * times for it in shown],
            label=scenario,
            capsize=3,
        )
    middle = 0.4 - width / 2
    axis.set_xticks([at + middle for at in range(len(queues))], queues)
    axis.set_ylim(bottom=0)
