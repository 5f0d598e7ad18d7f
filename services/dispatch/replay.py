"""Decide a shard's recorded log once more and compare the outcome with the journal.

Reads the logs of a running installation (NATS_URL), or a file that was exported from one; writes
nothing but the file asked for. Exit code 0: not one decision differs. 1: the first that does is
shown. 2: there is nothing to compare.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.kernel.bus import connected
from services.kernel.env import from_env

from .adapters.recordings import NoRecording, chained, from_file, from_logs, into_file, opened
from .adapters.snapshots import ObjectStoreSnapshots, read_snapshot
from .domain.state import State
from .use_cases.ports import Position
from .use_cases.replay import Divergence, Replay

SAME, DIFFERENT, NOTHING = 0, 1, 2
Recording = AsyncGenerator[wire.Recorded, None]


@dataclass(frozen=True)
class Settings:
    """What the environment tells."""

    nats_url: str = field(repr=False)


async def replayed(recording: Recording) -> tuple[Replay, Divergence | None]:
    """Follow a recording to its end, or to the first difference."""
    replay = Replay(chained, State(), Position())
    async for it in recording:
        if it.HasField("snapshot"):
            replay = Replay(chained, *read_snapshot(it.snapshot.SerializeToString()))
        elif (divergence := replay.take(opened(it))) is not None:
            return replay, divergence
    return replay, None


async def exported(recording: Recording, path: Path) -> int:
    """Write a recording into a file and return how many inputs and records it holds."""
    written = 0
    with into_file(path) as write:
        async for it in recording:
            write(it)
            written += not it.HasField("snapshot")
    return written


def shown(it: Divergence) -> str:
    """Say in lines for people where recorded and decided part."""
    what = f"input {it.input_sequence}" if it.input_sequence else "a timer"
    lines = [f"Record {it.record}, {what}: {it.cause}."]
    if it.input is not None:
        lines.append(f"  at {it.at}: {it.input}")
    for name, decisions in (("recorded", it.recorded), ("decided", it.decided)):
        other = it.decided if name == "recorded" else it.recorded
        lines += [
            f"  {name:<8} {' ' if decision in other else '!'} {decision}" for decision in decisions
        ] or ([f"  {name:<8} ! nothing"] if other else [])
    return "\n".join(lines)


async def _logs(shard: int, *, from_start: bool) -> Recording:
    async with connected(from_env(Settings).nats_url, name="dispatch") as bus:
        snapshot = b"" if from_start else await ObjectStoreSnapshots(bus).saved(shard)
        async with aclosing(from_logs(bus, shard, snapshot)) as recording:
            async for it in recording:
                yield it


async def exported_in(path: Path) -> Recording:
    """Read a recording from a file. Raises NoRecording, OSError."""
    for it in from_file(path):
        yield it


async def _main(options: argparse.Namespace) -> int:
    recording = (
        exported_in(options.file)
        if options.file is not None
        else _logs(options.shard, from_start=options.from_start)
    )
    began = time.monotonic()
    async with aclosing(recording):
        if options.export is not None:
            written = await exported(recording, options.export)
            sys.stdout.write(f"{written:,} inputs and records in {options.export}\n")
            return SAME if written else NOTHING
        replay, divergence = await replayed(recording)
    if divergence is not None:
        sys.stdout.write(shown(divergence) + "\n")
        return DIFFERENT
    if not replay.records:
        sys.stdout.write("Nothing is recorded behind the snapshot; try --from-start.\n")
        return NOTHING
    sys.stdout.write(
        f"{replay.inputs:,} inputs led to the same {replay.steps:,} steps in {replay.records:,} "
        f"records, up to record {replay.position.sequence}, chain {replay.position.chain.hex()}, "
        f"in {time.monotonic() - began:.1f} s.\n"
    )
    return SAME


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.dispatch.replay", description=__doc__.partition("\n")[0]
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--shard", type=int, help="read the logs of this shard at NATS_URL")
    source.add_argument(
        "--import", type=Path, dest="file", help="read a file that --export has written"
    )
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--from-start", action="store_true", help="from the first record, if it is still kept"
    )
    begin.add_argument(
        "--from-snapshot", action="store_true", help="from the last snapshot on (the default)"
    )
    parser.add_argument("--export", type=Path, help="write the recording here; decide nothing")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        code = asyncio.run(_main(_options()))
    except (NoRecording, OSError) as error:
        sys.stdout.write(f"{error}\n")
        code = NOTHING
    sys.exit(code)
