"""Nothing is given up in silence: what JetStream stops delivering becomes a letter in DEAD.

Without arguments the process runs; `list` shows the letters, `replay` sends some again, `drop`
takes some out for good.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy
from nats.js.errors import NotFoundError

from .bus import Bus, connected
from .dead import (
    KEPT,
    PREFIX,
    STREAM,
    ForeignLetter,
    chosen,
    dead_letter,
    drop,
    headers_of,
    keep,
    letters,
    replay,
)
from .env import NatsUrl, OptionalAddress, from_env_or_exit
from .pull import Pull
from .run import Running, run_from_env
from .settle import settle
from .unreadable import understood
from .wire import TOKEN

log = logging.getLogger(__name__)

NAME = "dead-letters"
ADVISORIES = "ADVISORIES"
DURABLE = "dead-letters-keep-given-up"
OURS = frozenset({STREAM, ADVISORIES})
KINDS = {
    "io.nats.jetstream.advisory.v1.max_deliver": "MaxDeliveries",
    "io.nats.jetstream.advisory.v1.terminated": "Terminated",
}
BEHIND_ALL = 2**64


@dataclass(frozen=True)
class Settings:
    nats_url: NatsUrl = field(repr=False)
    health_address: OptionalAddress = ""


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    async with connected(settings.nats_url, name=NAME) as bus, keeping(bus):
        yield Running()


@asynccontextmanager
async def keeping(bus: Bus) -> AsyncIterator[None]:
    """Turn advisories into letters for as long as the context is entered."""

    async def handle(message: Msg) -> None:
        outcome: Exception | None = None
        try:
            sequence = message.metadata.sequence.stream
            if given_up := understood(ADVISORIES, lambda: read(message.data), sequence=sequence):
                await _keep(bus, given_up)
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


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What JetStream says of a message that it delivers no more."""

    stream: str
    consumer: str
    sequence: int
    deliveries: int
    cause: str


def read(advisory: bytes) -> GivenUp:
    """Read an advisory; raises one of many things over what is none."""
    told = json.loads(advisory)
    kind = KINDS[told["type"]]
    stream, consumer, sequence = told["stream"], told["consumer"], told["stream_seq"]
    if not (TOKEN.fullmatch(stream) and TOKEN.fullmatch(consumer)):
        raise ValueError("no stream or consumer has such a name")
    if type(sequence) is not int or not 0 < sequence < BEHIND_ALL:
        raise ValueError("no message has such a number")
    return GivenUp(
        stream, consumer, sequence, int(told["deliveries"]), str(told.get("reason") or kind)
    )


async def _keep(bus: Bus, it: GivenUp) -> None:
    """Store the letter of one advisory; NotFoundError when the message is gone already."""
    if it.stream in OURS or it.cause == KEPT:
        return
    original = await bus.js.get_msg(it.stream, it.sequence)
    letter = dead_letter(
        original.subject or "",
        original.data or b"",
        headers_of(original),
        stream=it.stream,
        consumer=it.consumer,
        sequence=it.sequence,
        deliveries=it.deliveries,
        cause=it.cause,
        at=datetime.now(UTC),
    )
    await keep(bus, letter)
    log.error("a message was given up", extra={"stream": it.stream, "consumer": it.consumer})
    info = await bus.js.stream_info(it.stream)
    if info.config.retention == RetentionPolicy.WORK_QUEUE:
        await bus.js.delete_msg(it.stream, it.sequence)  # else it would stay for ever, unacked


async def _command(settings: Settings, options: argparse.Namespace) -> int:
    """Write lines of JSON, headers only and never a payload; return how many were left alone."""
    left = 0
    async with connected(settings.nats_url, name=NAME) as bus:
        which = letters(bus) if options.command == "list" else chosen(bus, options.seq)
        async for letter in which:
            if options.command == "replay":
                try:
                    await replay(bus, letter)
                except ForeignLetter as stranger:
                    left += 1
                    sys.stderr.write(f"letter {letter.seq} was not sent again: {stranger}\n")
                    continue
            elif options.command == "drop":
                await drop(bus, letter)
            about = {
                name.removeprefix(PREFIX).lower(): value
                for name, value in headers_of(letter).items()
                if name.startswith(PREFIX)
            }
            sys.stdout.write(json.dumps({"seq": letter.seq, **about}) + "\n")
    return left


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.kernel.dead_letters")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="one JSON object a line, without the payload")
    for name, told in [
        ("replay", "send letters again to where they were meant, and take them out"),
        ("drop", "take letters out for good"),
    ]:
        command = commands.add_parser(name, help=told)
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("seq", type=int, nargs="?", help="as `list` shows it")
        which.add_argument("--all", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    given = _options()
    if given.command is None:
        run_from_env(service, Settings, name=NAME)
    sys.exit(min(1, asyncio.run(_command(from_env_or_exit(Settings, NAME), given))))
