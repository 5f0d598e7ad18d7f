"""The bench fails when a figure is missed, and says which."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.figures import Figure, Reach, missed, show

VALUE, RATIO, RATE = Reach("value", 5), Reach("ratio", 3), Reach("at_least", 100)


def figure(value: float, floor: float | None = None) -> Figure:
    return Figure("some.figure", value, "ms", floor, "")


@pytest.mark.parametrize(
    ("reach", "held", "not_held"),
    [
        (VALUE, figure(5), figure(5.01)),
        (RATIO, figure(6, 2), figure(6.01, 2)),
        (RATIO, figure(0, 2), figure(1, None)),
        (RATE, figure(100), figure(99.9)),
        (VALUE, figure(-1), figure(math.nan)),
    ],
)
def test_a_figure_holds_its_bound_or_is_named(reach: Reach, held: Figure, not_held: Figure) -> None:
    bounds = {"some.figure": reach}
    assert missed([held, not_held], bounds) == ["some.figure"]
    assert " ok " in show(held, reach)
    assert " MISSED " in show(not_held, reach)


def test_a_figure_without_a_bound_is_not_held() -> None:
    assert missed([figure(1)], {}) == ["some.figure"]
    assert " UNBOUND " in show(figure(1), None)


def test_a_bound_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="at_most"):
        Reach.read({"at_most": 3})


@pytest.mark.parametrize(("value", "code"), [(5.0, 0), (5.1, 1)])
def test_the_command_fails_when_a_figure_is_missed(
    value: float, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measured = Figure("engine.match_us", value, "us", 1.0, "")
    reach = tmp_path / "reach.toml"
    reach.write_text('"engine.match_us" = { value = 5 }')
    monkeypatch.setattr(bench, "MEASURES", {"engine": lambda: [measured]})
    monkeypatch.setattr(bench, "REACH", reach)
    monkeypatch.setattr(bench, "OUT", tmp_path / "bench.json")
    monkeypatch.setattr(sys, "argv", ["bench"])
    assert _exit_code() == code


def test_the_whole_bench_fails_when_a_figure_was_not_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "MEASURES", {})
    monkeypatch.setattr(bench, "OUT", tmp_path / "bench.json")
    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit, match=r"engine\.match_us"):
        bench.main()


def test_make_hands_the_failure_on(tmp_path: Path) -> None:
    """`make bench` may not swallow the exit code: with `-n` it shows that nothing stands behind."""
    shown = subprocess.run(
        ["make", "-n", "bench"], check=True, capture_output=True, text=True
    ).stdout
    assert shown.rstrip().endswith("python -m tests.bench")


def _exit_code() -> int:
    try:
        bench.main()
    except SystemExit:
        return 1
    return 0
