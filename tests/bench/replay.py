"""Deciding a recorded log once more, from a file, as an operator would."""

import asyncio
import tempfile
import time
from pathlib import Path

from services.dispatch.adapters.recordings import into_file
from services.dispatch.replay import exported_in, replayed
from tests.unit.dispatch.recording import busy

from .figures import Figure, middle

RUNS = 3
TASKS, AGENTS, EVERY_MS = 20_000, 100, 120


def measure() -> list[Figure]:
    day = busy(1, TASKS, AGENTS, EVERY_MS, records_a_snapshot=0)
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "day.recording"
        with into_file(path) as write:
            for it in day.recording:
                write(it)
        (rate,) = middle([_rate(path) for _ in range(RUNS)])
    conditions = f"{TASKS:,} tasks, {AGENTS} agents; submit, accept, complete, some decline"
    return [Figure("replay.tasks_per_s", rate, "1/s", None, conditions)]


def _rate(path: Path) -> tuple[float]:
    began = time.perf_counter()
    replay, divergence = asyncio.run(replayed(exported_in(path)))
    took = time.perf_counter() - began
    if divergence is not None or not replay.records:
        raise RuntimeError(f"the recording does not replay: {divergence}")
    return (TASKS / took,)
