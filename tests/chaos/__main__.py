"""`make chaos`: rounds of torment for CHAOS_S seconds, and one line about what became of it.

SEED repeats a run. What a broken promise leaves behind lies in var/chaos, a folder for each round.
"""

import asyncio
import logging
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .checks import BROKER_FAULTS, SILENCES, excused
from .installation import Plan
from .rounds import Round, run

PLANS = (Plan(nodes=3), Plan(nodes=1, chat=True), Plan(nodes=1), Plan(nodes=3, chat=True))
ROUND_S = 300.0
FEWEST_ROUNDS = 2
"""Three brokers and one, the router and the whole path: both have their turn in any run."""
KEPT = Path("var/chaos")
"""Where broken rounds are kept."""


def main() -> int:
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    seconds = float(os.environ.get("CHAOS_S") or 1800)
    sys.stdout.write(f"chaos: {seconds:.0f} s, SEED={seed}\n")
    # Our own clients complain about every torment; what broke is what counts.
    logging.getLogger("services").setLevel(logging.CRITICAL)
    rounds = tormented(seed, seconds)
    sys.stdout.write(summary(rounds, seed, seconds) + "\n")
    unproved = excused([one.verdict for one in rounds])
    sys.stdout.writelines(f"  {problem}\n" for problem in unproved)
    return int(bool(unproved) or any(one.verdict.broken for one in rounds))


def tormented(seed: str, seconds: float) -> list[Round]:
    """Live through as many rounds as fill the time, each of the plans in turn."""
    count = max(FEWEST_ROUNDS, round(seconds / ROUND_S))
    rounds = []
    for number in range(count):
        plan, began = PLANS[number % len(PLANS)], time.monotonic()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            one = asyncio.run(run(Path(home), plan, f"{seed}-{number}", seconds / count))
            rounds.append(one)
            if one.verdict.broken:
                keep(one, KEPT / f"{seed}-{number}", Path(home))
        took = time.monotonic() - began
        sys.stdout.write(f"  round {number + 1} of {count}, {plan}: {line(one)}, {took:.0f} s\n")
        for problem in one.verdict.broken[:5]:
            sys.stdout.write(f"    {problem}\n")
        sys.stdout.flush()
    return rounds


def line(*rounds: Round) -> str:
    verdicts = [one.verdict for one in rounds]
    figures = {
        "operations": sum(len(one.evidence.operations) for one in rounds),
        "faults": sum(len(one.evidence.faults) for one in rounds),
        "lost": sum(len(it.lost) for it in verdicts),
        "doubled": sum(len(it.doubled) for it in verdicts),
        "over capacity": sum(len(it.over_capacity) for it in verdicts),
        "otherwise broken": sum(len(it.others) for it in verdicts),
    }
    judged = sum((Counter(it.judged) for it in verdicts), Counter[str]())
    figures |= {f"{name} judged": judged[name] for name in (BROKER_FAULTS, SILENCES)}
    return ", ".join(f"{count} {name}" for name, count in figures.items())


def summary(rounds: list[Round], seed: str, seconds: float) -> str:
    return f"chaos: {line(*rounds)} (SEED={seed} CHAOS_S={seconds:.0f})"


def keep(one: Round, folder: Path, home: Path) -> None:
    """Keep the history, the problems, and what every process said."""
    shutil.rmtree(folder, ignore_errors=True)
    one.evidence.keep(folder)
    (folder / "problems.txt").write_text("\n".join(one.verdict.broken) + "\n")
    for log in home.glob("*/*.log"):
        shutil.copy(log, folder / f"{log.parent.name}.log")


if __name__ == "__main__":
    sys.exit(main())
