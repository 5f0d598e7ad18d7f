"""Nothing is given up in silence: what JetStream stops delivering becomes a letter in DEAD.

Without arguments the process runs; `list` shows the letters, `replay` sends some again.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, RawStreamMsg, RetentionPolicy
from nats.js.errors import NotFoundError

from .bus import Bus, connected
from .dead import STREAM, dead_letter, revived
from .ids import new_id
from .pull import Pull
from .settle import settle

log = logging.getLogger(__name__)

ADVISORIES = "ADVISORIES"
DURABLE = "dead-letters-keep-given-up"
OURS = frozenset({STREAM, ADVISORIES})


@asynccontextmanager
async def keeping(bus: Bus) -> AsyncIterator[None]:
    """Turn advisories into letters for as long as the context is entered."""

    async def handle(message: Msg) -> None:
        outcome: Exception | None = None
        try:
            await _keep(bus, json.loads(message.data))
        except Exception as trouble:  # noqa: BLE001 - settle says what each one means
            outcome = trouble
        await settle(bus, message, outcome, answers=(NotFoundError,), max_deliver=0)

    config = ConsumerConfig(
        durable_name=DURABLE, ack_policy=AckPolicy.EXPLICIT, ack_wait=30, max_deliver=-1
    )
    pull = Pull(bus, ADVISORIES, config, handle, max_workers=8)
    await pull.start()
    try:
        yield
    finally:
        await pull.stop()


async def _keep(bus: Bus, advisory: Mapping[str, Any]) -> None:
    """Store the letter of one advisory; NotFoundError when the message is gone already."""
    stream, sequence = str(advisory["stream"]), int(advisory["stream_seq"])
    if stream in OURS:
        return
    original = await bus.js.get_msg(stream, sequence)
    terminated = str(advisory.get("type", "")).endswith("terminated")
    consumer = str(advisory["consumer"])
    await bus.publish(
        dead_letter(
            original.subject or "",
            original.data or b"",
            original.headers or {},
            stream=stream,
            consumer=consumer,
            sequence=sequence,
            deliveries=int(advisory.get("deliveries", 0)),
            cause=str(advisory.get("reason") or ("Terminated" if terminated else "MaxDeliveries")),
            at=datetime.now(UTC),
        )
    )
    log.error("a message was given up", extra={"stream": stream, "consumer": consumer})
    info = await bus.js.stream_info(stream)
    if info.config.retention == RetentionPolicy.WORK_QUEUE:
        await bus.js.delete_msg(stream, sequence)  # else it would stay there for ever, unacked


async def letters(bus: Bus) -> AsyncIterator[RawStreamMsg]:
    """Yield every letter, oldest first, without taking it out."""
    state = (await bus.js.stream_info(STREAM)).state
    sequence = state.first_seq
    while state.messages and sequence <= state.last_seq:
        try:
            letter = await bus.js.get_msg(STREAM, sequence, subject="dead.>", next=True)
        except NotFoundError:
            return
        yield letter
        sequence = (letter.seq or sequence) + 1


async def replay(bus: Bus, letter: RawStreamMsg) -> None:
    """Publish the original again under a new Nats-Msg-Id, then take the letter out."""
    await bus.publish(revived(letter.data or b"", letter.headers or {}, msg_id=new_id()))
    await bus.js.delete_msg(STREAM, letter.seq or 0)


async def replay_some(bus: Bus, sequence: int | None) -> int:
    """Replay one letter, or all of them when `sequence` is None; return how many."""
    done = 0
    if sequence is not None:
        await replay(bus, await bus.js.get_msg(STREAM, sequence))
        return 1
    async for letter in letters(bus):
        await replay(bus, letter)
        done += 1
    return done


async def _list(bus: Bus) -> None:
    async for letter in letters(bus):
        headers = letter.headers or {}
        about = {
            name.removeprefix("Dead-").lower(): value
            for name, value in headers.items()
            if name.startswith("Dead-")
        }
        sys.stdout.write(json.dumps({"seq": letter.seq, **about}) + "\n")


async def _main(url: str, options: argparse.Namespace) -> None:
    async with connected(url, name="dead-letters") as bus:
        match options.command:
            case "list":
                await _list(bus)
            case "replay":
                count = await replay_some(bus, None if options.all else options.seq)
                sys.stdout.write(f"replayed {count}\n")
            case _:
                told = asyncio.Event()
                for name in (signal.SIGTERM, signal.SIGINT):
                    asyncio.get_running_loop().add_signal_handler(name, told.set)
                async with keeping(bus):
                    await told.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.kernel.dead_letters")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="one JSON object a line, without the payload")
    again = commands.add_parser("replay", help="send letters again to where they were meant")
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("seq", type=int, nargs="?")
    which.add_argument("--all", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_main(os.environ["NATS_URL"], _options()))
