"""What each folder of tests may take, and that no test is passed over.

`make test` runs what fits into the budgets of budget.toml; tests marked `long` do not, and
`make test-all` runs them, too. Noise of a busy machine doubles a folder's time at most: a run
in which a folder takes more than twice its budget fails.
"""

import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUDGETS: Mapping[str, int] = tomllib.loads((HERE / "budget.toml").read_text())["seconds"]
NOISE = 2


class Spent:
    """Seconds of tests by folder, set-up and teardown included, and the tests that were skipped."""

    def __init__(self, *, held: bool) -> None:
        self._held = held
        self._seconds: dict[str, float] = defaultdict(float)
        self._skipped: list[str] = []

    @property
    def fails(self) -> bool:
        over = any(spent > BUDGETS[it] * NOISE for it, spent in self._seconds.items())
        return bool(self._skipped) or (self._held and over)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[Path(report.nodeid).parts[1]] += report.duration
        if report.skipped:
            self._skipped.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.fails:
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for one in self._skipped:
            terminalreporter.write_line(f"SKIPPED {one}: every test of this project runs", red=True)
        for folder, spent in sorted(self._seconds.items()) if self._held else ():
            told = f"tests/{folder}: {spent:.0f} s of tests; its budget is {BUDGETS[folder]} s"
            terminalreporter.write_line(told, red=spent > BUDGETS[folder])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--budget", action="store_true", help="leave out long tests and hold folders to budget.toml"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "long: does not fit into `make test`; `make test-all` runs it"
    )
    if not hasattr(config, "workerinput"):  # the process that hears of every test
        config.pluginmanager.register(Spent(held=config.getoption("budget")), "spent")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("budget"):
        config.hook.pytest_deselected(items=[it for it in items if _long(it)])
        items[:] = [it for it in items if not _long(it)]


def _long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None
