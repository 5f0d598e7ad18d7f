"""What a real leader has left is decided once more, from the streams and from a file."""

import asyncio
import os
import sys
from pathlib import Path

from tests.integration.dispatch.centre import Centre


async def replay(url: str, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.dispatch.replay",
        *arguments,
        env={**os.environ, "NATS_URL": url},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


async def work(desk: Centre) -> None:
    await desk.queue(seconds=1)
    for agent in ("ana", "bo"):
        await desk.works(agent)
    for number in range(6):
        await desk.opens(f"c-{number}")
    await desk.heard("TaskOffered", "c-0", "ana")
    await desk.accept("ana", "c-0")
    await desk.heard("OfferEnded", "c-1", "bo")
    await desk.closes("c-5")
    await desk.complete("ana", "c-0")
    await desk.heard("TaskCancelled", "c-5")


async def test_a_leaders_log_replays_to_the_same_hash(
    desk: Centre, nats_url: str, tmp_path: Path
) -> None:
    await work(desk)
    code, told = await replay(nats_url, "--shard", "0", "--from-start")
    assert (code, told.count("\n")) == (0, 1), told
    assert "led to the same" in told
    file = str(tmp_path / "shard-0.recording")
    code, told = await replay(nats_url, "--shard", "0", "--from-start", "--export", file)
    assert code == 0, told
    code, again = await replay("", "--import", file)
    assert code == 0, again
    assert "led to the same" in again


async def test_a_changed_record_is_shown(desk: Centre, nats_url: str, tmp_path: Path) -> None:
    await work(desk)
    file = tmp_path / "shard-0.recording"
    await replay(nats_url, "--shard", "0", "--from-start", "--export", str(file))
    # ana was offered c-0: let the record say that it was somebody else.
    file.write_bytes(file.read_bytes().replace(b"ana", b"eva", 9))
    code, told = await replay("", "--import", str(file))
    assert code == 1
    assert told.startswith("Record "), told
