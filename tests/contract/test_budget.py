"""`make test` keeps to a quarter of an hour, and what is passed over fails it."""

from pathlib import Path
from typing import Literal

import pytest

from tests.budget import BUDGETS, NOISE, Spent

TESTS = Path(__file__).parents[1]
PAIRED = {"unit", "simulation", "faults", "e2e", "integration"}
"""Folders of which two tests run at a time (Makefile)."""
MOST_S = 15 * 60


def test_every_folder_of_tests_has_a_budget() -> None:
    assert set(BUDGETS) == {it.relative_to(TESTS).parts[0] for it in TESTS.rglob("test_*.py")}


def test_all_budgets_together_are_a_quarter_of_an_hour() -> None:
    assert sum(it / 2 if name in PAIRED else it for name, it in BUDGETS.items()) <= MOST_S


def report(outcome: Literal["passed", "skipped"], seconds: float) -> pytest.TestReport:
    file = "tests/unit/test_it.py"
    where = (file, 1, "test_it")
    return pytest.TestReport(f"{file}::test_it", where, {}, outcome, None, "call", duration=seconds)


def test_a_folder_far_over_its_budget_fails_a_run_that_is_held_to_it() -> None:
    held, free = Spent(held=True), Spent(held=False)
    for spent in held, free:
        spent.pytest_runtest_logreport(report("passed", BUDGETS["unit"] * NOISE))
        assert not spent.fails
        spent.pytest_runtest_logreport(report("passed", 1))
    assert held.fails
    assert not free.fails


def test_a_skipped_test_fails_every_run() -> None:
    spent = Spent(held=False)
    spent.pytest_runtest_logreport(report("skipped", 0))
    assert spent.fails
