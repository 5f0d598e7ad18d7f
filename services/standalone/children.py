"""Servers that run beside us: started, watched, and never left behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from services.kernel.ending import beside

LEASH = Path(__file__).with_name("leash.py")
READY = 60.0
"""Seconds a server has to answer in."""
PATIENCE = 10.0
"""Seconds a server has to stop in before it is killed."""


class CannotRun(Exception):
    """What the person at the terminal is told: what is wrong, and what to do."""


class ServerEnded(Exception):
    """A server is gone; the terminal was told when it went."""


@asynccontextmanager
async def child(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[Process], bool],
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[Process]:
    """Run a server until the block is left; `ready` says, asked again and again, if it answers.

    Raises CannotRun when it does not become ready. When it ends although nobody told it to, this
    says so, stops this process with SIGTERM, and raises ServerEnded as the block is left.
    """
    process = await _started(command, log, env)
    try:
        await _until(name, process, ready, log)
        async with beside(_tell_if_it_ends(name, process, log)):
            yield process
        if process.returncode is not None:
            raise ServerEnded(name)
    finally:
        await _stopped(process)


def binary(name: str) -> Path:
    """Return a program that came with our own wheels."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise CannotRun(f"{name} is not installed. Run: make setup")
    return path


async def _started(command: Sequence[str], log: Path, env: Mapping[str, str] | None) -> Process:
    leashed = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *leashed,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
            start_new_session=True,  # Ctrl-C is for us alone: we stop the others in order
        )


async def _until(name: str, process: Process, ready: Callable[[Process], bool], log: Path) -> None:
    try:
        async with asyncio.timeout(READY):
            while not ready(process):
                if process.returncode is not None:
                    raise CannotRun(f"{name} did not start. Its log says why: {log}")
                await asyncio.sleep(0.01)
    except TimeoutError as late:
        raise CannotRun(f"{name} does not answer. Its log may say why: {log}") from late


async def _tell_if_it_ends(name: str, process: Process, log: Path) -> None:
    await process.wait()
    sys.stderr.write(f"centralita: {name} ended by itself. Its log says why: {log}\n")
    signal.raise_signal(signal.SIGTERM)


async def _stopped(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
