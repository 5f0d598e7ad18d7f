"""R1 to R5, R9, R13, R14 and R19 of the whole loop, in a million steps of worlds of chance.

SIM_STEPS sets how many steps. SIM_SEED adds the one world that a failure names (`-k named` runs
it alone), and SIM_KILL_AT with it the step before which its first router dies.
"""

import os
import subprocess
import sys
from hashlib import blake2b
from itertools import count
from pathlib import Path

import pytest

from tests.simulation.history import SEATS, History, history
from tests.simulation.people import TASKS
from tests.simulation.quiet import often_saved_and_quiet

STEPS = int(os.environ.get("SIM_STEPS", "1200000"))
SHARES = 12
# `make test` lives through a quarter of them.
SHARE = [*range(3), *(pytest.param(share, marks=pytest.mark.long) for share in range(3, SHARES))]
ONE = os.environ.get("SIM_SEED", "")
KILL_AT = int(os.environ.get("SIM_KILL_AT", "0"))
EVERY_STEP = 360

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _often_saved_and_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    often_saved_and_quiet(monkeypatch.setattr)


def lived(seed: int, kill_at: int = 0) -> History:
    """Live through a world in which nothing may go wrong for anybody."""
    name = f"SIM_SEED={seed} SIM_KILL_AT={kill_at}"
    try:
        it = history(seed, kill_at=kill_at)
    except Exception as broken:
        broken.add_note(name)
        raise
    assert not it.problems, f"{name}: {it.problems[:5]}"
    return it


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", SHARE)
def test_no_accident_loses_or_doubles_anything(share: int) -> None:
    steps = faults = refused = passed_on = worlds = divided = 0
    for seed in count(share * 100_000):
        it = lived(seed)
        assert it.found.shards["0"].completed + len(it.cancelled) == TASKS, f"SIM_SEED={seed}"
        steps, faults, worlds = steps + it.steps, faults + it.faults, worlds + 1
        refused += it.bus.refused
        passed_on += it.bus.passed_on
        divided += it.bus.too_large
        if steps >= STEPS // SHARES:
            break
    assert faults > worlds  # else nobody was ever in danger
    assert refused > worlds // 2
    assert passed_on > worlds // 4
    assert divided > worlds // 4


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", SHARE)
def test_a_router_may_die_at_every_single_await(share: int) -> None:
    for step in range(1 + share, EVERY_STEP + 1, SHARES):
        it = lived(4, kill_at=step)
        assert it.deaths[0] == ("p0.1", step)
        assert len(set(it.found.owners())) >= SEATS


if ONE:

    def test_the_world_that_was_named() -> None:
        lived(int(ONE), KILL_AT)


def test_the_same_seed_is_the_same_history_in_every_process() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-m", "tests.simulation.test_worlds"],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto/gen'}", "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
        ).stdout
        for hash_seed in ("0", "1")
    }
    assert len(hashes) == 1


if __name__ == "__main__":
    often_saved_and_quiet(setattr)
    done = [record.data for seed in range(6) for record in history(seed).bus.records]
    sys.stdout.write(blake2b(b"".join(done)).hexdigest())
