"""How much may be simulated for somebody else; on their own machine people run what they like."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from .scenario import Scenario
from .settings import BadScenario, listed, number, whole

MOST_AGENT_HOURS = 50_000
"""Hours begun times agents times replications."""
MOST_CALLS = 100_000
"""In all replications. One core takes some thousand a second through the engine."""


class TooLarge(BadScenario):
    """More than may be asked for. `measure` is what there is too much of."""

    def __init__(self, measure: str, asked: float, most: int) -> None:
        super().__init__(f"The scenario asks for {asked:.0f} {measure}; at most {most} are run.")
        self.measure, self.asked, self.most = measure, asked, most


def agent_hours(table: Mapping[str, Any]) -> float:
    """Return what a scenario asks for, before anybody is made. Raises BadScenario."""
    agents = sum(whole(it, "agents", f"team {it.get('name')}") for it in listed(table, "team"))
    hours = ceil(number(table, "hours", "the scenario"))
    return float(agents * hours * whole(table, "replications", "the scenario", 8))


def calls(scenario: Scenario) -> float:
    """Return about how many calls a scenario draws."""
    horizon_s = scenario.horizon / 1000
    return scenario.replications * sum(it.pattern.drawn(horizon_s) for it in scenario.traffic)


def within(measure: str, asked: float, most: int) -> None:
    """Raise TooLarge when there is more of something than is run."""
    if asked > most:
        raise TooLarge(measure, asked, most)
