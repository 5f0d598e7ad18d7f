"""R19: the same inputs make the same bytes, in any process."""

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.dispatch.chance import day

ROOT = Path(__file__).parents[3]
SEED, INPUTS = 19, 800


def elsewhere(program: tuple[str, ...], hash_seed: str) -> str:
    """Run a program in a process of its own and return what it prints."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto' / 'gen'}",
    }
    command = [sys.executable, *program]
    run = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout


def test_another_process_with_another_hash_seed_writes_the_same_journal() -> None:
    here = day(SEED, INPUTS)
    assert here.problems == []
    assert here.ledger.completed > INPUTS // 10
    said = f"{here.position.chain.hex()} {here.position.sequence} []\n"
    program = ("-m", "tests.unit.dispatch.chance", str(SEED), str(INPUTS))
    assert {elsewhere(program, hash_seed) for hash_seed in ("1", "4242")} == {said}


PLANTED = """
from services.dispatch.domain.state import State
from tests.unit.dispatch.chance import day
def load_changed(self, agent, at):
    self.order += 1
    agent.idle_since, agent.idle_order = hash(agent.id) % 1000, self.order
State.load_changed = load_changed
print(day(19, 800).position.chain.hex())
"""


def test_a_router_that_lets_hashes_decide_is_caught() -> None:
    assert len({elsewhere(("-c", PLANTED), seed) for seed in ("1", "4242")}) > 1


def test_another_day_is_another_journal() -> None:
    assert day(1, 200).position.chain != day(2, 200).position.chain
