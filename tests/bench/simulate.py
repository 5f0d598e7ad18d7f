"""A centre of a thousand agents on virtual time."""

import time
from typing import Any

from services.dispatch.simulation.report import simulated
from services.dispatch.simulation.scenario import scenario

from .figures import Figure, middle

RUNS = 3
AGENTS, CALLS_PER_HOUR, QUEUES = 1_000, 15_000, 20


def measure() -> list[Figure]:
    (rate,) = middle([_rate(seed) for seed in range(1, RUNS + 1)])
    conditions = f"{AGENTS:,} agents, {CALLS_PER_HOUR:,} calls/h, {QUEUES} queues, 3 an agent"
    return [Figure("simulate.hours_per_s", rate, "h/s", None, conditions)]


def _rate(seed: int) -> tuple[float]:
    centre = scenario(_table(seed), {})
    began = time.perf_counter()
    simulated(centre)
    return (1 / (time.perf_counter() - began),)


def _table(seed: int) -> dict[str, Any]:
    return {
        "hours": 1,
        "seed": seed,
        "replications": 1,
        "queues": {f"q{number}": {} for number in range(QUEUES)},
        "traffic": [
            {
                "queue": f"q{number}",
                "per_hour": CALLS_PER_HOUR / QUEUES,
                "service": {"distribution": "lognormal", "mean_s": 225, "cv": 1.5},
                "patience": {"distribution": "exponential", "mean_s": 120},
            }
            for number in range(QUEUES)
        ],
        "team": [
            {
                "name": f"team-{number}",
                "agents": AGENTS // QUEUES,
                "queues": [f"q{(number + more) % QUEUES}" for more in range(3)],
            }
            for number in range(QUEUES)
        ],
    }
