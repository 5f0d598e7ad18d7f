"""A process starts, is probed, and stops as it was told: real processes, real signals."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = """
import asyncio, sys, time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from services.kernel.env import Misconfigured
from services.kernel.run import Running, run

@dataclass(frozen=True)
class Settings:
    health_address: str = "127.0.0.1:0"
    event_loop: str = "asyncio"

@asynccontextmanager
async def service(settings):
    how = sys.argv[1]
    if how == "uvloop":
        assert "uvloop" in type(asyncio.get_running_loop()).__module__
    if how == "starts for ever":
        print("starting", flush=True)
        await asyncio.Event().wait()
    if how == "fails":
        raise RuntimeError("nothing to do")
    if how == "misconfigured":
        raise Misconfigured({"SHARDS": "must be 4"})
    try:
        yield Running(grpc_address="127.0.0.1:50051")
        if how == "stays":
            print("draining", flush=True)
            await asyncio.Event().wait()
        if how == "stays a while":
            print("draining", flush=True)
            await asyncio.sleep(0.5)
    finally:
        print("left", flush=True)

async def stuck():
    await asyncio.sleep(0.3)
    time.sleep(30)

if __name__ == "__main__":
    import services.kernel.liveness as liveness, services.kernel.run as kernel
    if sys.argv[1] == "stuck":
        liveness.STUCK = 0.8
        inner = service
        @asynccontextmanager
        async def service(settings):
            async with inner(settings) as running:
                task = asyncio.create_task(stuck())
                yield running
    # The port of the probes is chosen by the system: tell it.
    original = kernel.liveness
    from contextlib import contextmanager
    @contextmanager
    def telling(address):
        with original(address) as probe:
            print(probe.address, flush=True)
            yield probe
    kernel.liveness = telling
    loop = "uvloop" if sys.argv[1] == "uvloop" else "asyncio"
    drain = 1.0 if sys.argv[1] == "stays" else 25.0
    run(service, Settings(event_loop=loop), name="test", drain=drain)
"""


@dataclass
class Process:
    it: asyncio.subprocess.Process
    probes: str

    async def line(self) -> str:
        assert self.it.stdout is not None
        return (await asyncio.wait_for(self.it.stdout.readline(), 20)).decode().strip()

    async def probe(self, path: str) -> int:
        def ask() -> int:
            try:
                with urlopen(f"http://{self.probes}{path}", timeout=5) as response:
                    return int(response.status)
            except HTTPError as error:
                with error:
                    return error.code

        return await asyncio.to_thread(ask)

    async def until(self, path: str, status: int) -> None:
        async with asyncio.timeout(20):
            while await self.probe(path) != status:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    async def logged(self) -> list[dict[str, Any]]:
        assert self.it.stderr is not None
        text = (await self.it.stderr.read()).decode()
        return [json.loads(line) for line in text.splitlines()]

    async def ended(self) -> int:
        return await asyncio.wait_for(self.it.wait(), 20)


@asynccontextmanager
async def process(how: str, home: Path) -> AsyncIterator[Process]:
    program = home / "program.py"
    program.write_text(PROGRAM)
    it = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        how,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto' / 'gen'}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        started = Process(it, "")
        started.probes = await started.line()
        yield started
    finally:
        if it.returncode is None:
            it.kill()
        await it.communicate()


@pytest.mark.parametrize("how", ["serves", "uvloop"])
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_that_is_told_to_stop_leaves_cleanly(
    how: str, told: signal.Signals, tmp_path: Path
) -> None:
    async with process(how, tmp_path) as it:
        await it.until("/readyz", 200)
        assert await it.probe("/livez") == 200
        assert await it.probe("/other") == 404
        it.it.send_signal(told)
        assert await it.line() == "left"
        assert await it.ended() == 0
        messages = [line["message"] for line in await it.logged()]
    assert messages == ["serving", "stopping", "stopped"]


async def test_a_service_that_drains_is_alive_and_not_ready(tmp_path: Path) -> None:
    async with process("stays a while", tmp_path) as it:
        await it.until("/readyz", 200)
        it.it.terminate()
        assert await it.line() == "draining"
        assert await it.probe("/readyz") == 503
        assert await it.probe("/livez") == 200
        assert await it.ended() == 0


async def test_a_service_that_will_not_stop_is_ended(tmp_path: Path) -> None:
    async with process("stays", tmp_path) as it:
        await it.until("/readyz", 200)
        it.it.terminate()
        assert await it.ended() == 1
        assert (await it.logged())[-1]["message"] == "did not stop in time"


async def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    async with process("stays a while", tmp_path) as it:
        await it.until("/readyz", 200)
        it.it.send_signal(signal.SIGINT)
        assert await it.line() == "draining"
        it.it.send_signal(signal.SIGINT)
        assert await it.ended() == 128 + signal.SIGINT


async def test_a_service_that_is_still_starting_can_be_stopped(tmp_path: Path) -> None:
    async with process("starts for ever", tmp_path) as it:
        assert await it.line() == "starting"
        assert await it.probe("/readyz") == 503
        it.it.terminate()
        assert await it.ended() == 0


async def test_a_service_that_fails_ends_the_process_with_its_cause(tmp_path: Path) -> None:
    async with process("fails", tmp_path) as it:
        assert await it.ended() == 1
        line = (await it.logged())[-1]
    assert (line["message"], line["cause"]) == ("stopped by an error", "nothing to do")
    assert line["error"] == "builtins.RuntimeError"


async def test_a_service_that_finds_itself_misconfigured_says_so_and_no_more(
    tmp_path: Path,
) -> None:
    async with process("misconfigured", tmp_path) as it:
        assert await it.ended() == 1
        line = (await it.logged())[-1]
    assert (line["message"], line["cause"]) == ("cannot start as configured", "SHARDS must be 4")
    assert "stack" not in line


async def test_a_stuck_loop_is_seen_from_outside(tmp_path: Path) -> None:
    async with process("stuck", tmp_path) as it:
        await it.until("/livez", 503)
