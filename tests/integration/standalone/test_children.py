"""Servers beside us: what is said when one does not start, and that none stays."""

import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from services.standalone import children
from services.standalone.children import CannotRun, child

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(1, flush=True)
time.sleep(60)
"""


def _python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


async def test_a_server_that_ends_at_once_is_said_with_the_place_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "broken.log"
    with pytest.raises(CannotRun, match=rf"The thing did not start\. .*{log}"):
        async with child(
            "The thing", _python("print('why'); exit(3)"), log=log, ready=lambda _: False
        ):
            pytest.fail("it never started")
    assert log.read_text() == "why\n"


async def test_a_server_that_does_not_answer_is_stopped_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "READY", 0.3)
    seen: list[Process] = []

    def never(process: Process) -> bool:
        seen.append(process)
        return False

    sleeping = _python("import time; time.sleep(60)")
    with pytest.raises(CannotRun, match="does not answer"):
        async with child("The thing", sleeping, log=tmp_path / "log", ready=never):
            pytest.fail("it never answered")
    assert seen[0].returncode is not None


async def test_a_server_that_does_not_want_to_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "PATIENCE", 0.3)
    log = tmp_path / "log"

    def deaf(_: Process) -> bool:
        return log.exists() and bool(log.read_text())

    async with child("The thing", _python(STUBBORN), log=log, ready=deaf) as process:
        assert process.returncode is None
    assert process.returncode == -9
