"""Nothing is given up in silence: what JetStream stops delivering becomes a dead letter.

Without arguments the process runs; `list` shows the letters, `replay` sends some again, `drop`
takes some out for good.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, RawStreamMsg, RetentionPolicy
from nats.js.errors import NotFoundError

from . import streams
from .bus import Bus, connected
from .dead import (
    KEPT,
    PREFIX,
    STREAM,
    STREAMS,
    ForeignLetter,
    dead_letter,
    drop,
    headers_of,
    keep,
    letter_of,
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
    known = heard_streams()

    async def handle(message: Msg) -> None:
        outcome: Exception | None = None
        try:
            sequence = message.metadata.sequence.stream
            if given_up := understood(
                ADVISORIES, lambda: read(message.data, known), sequence=sequence
            ):
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


def heard_streams() -> frozenset[str]:
    """Return the streams that our consumers hear: letters about these, and no others, are kept."""
    declared = streams.read()["streams"]
    return frozenset(
        subject.split(".")[1] for name in STREAMS for subject in declared[name]["subjects"]
    )


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What JetStream says of a message that it delivers no more."""

    stream: str
    consumer: str
    sequence: int
    deliveries: int
    cause: str


def read(advisory: bytes, known: Collection[str]) -> GivenUp | None:
    """Read an advisory, None for one about ourselves; raises one of many things over what is none.

    So it does over one about a stream that nobody of ours listens to: there is nothing to look up.
    """
    told = json.loads(advisory)
    kind = KINDS[told["type"]]
    stream, consumer, sequence = told["stream"], told["consumer"], told["stream_seq"]
    if stream == ADVISORIES:
        return None
    if stream not in known or not TOKEN.fullmatch(consumer):
        raise ValueError("no stream or consumer of ours has such a name")
    if type(sequence) is not int or not 0 < sequence < BEHIND_ALL:
        raise ValueError("no message has such a number")
    return GivenUp(
        stream, consumer, sequence, int(told["deliveries"]), str(told.get("reason") or kind)
    )


async def _keep(bus: Bus, it: GivenUp) -> None:
    """Store the letter of one advisory; NotFoundError when the message is gone already."""
    if it.cause == KEPT:
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
        async for letter in _meant(bus, options):
            if options.command == "replay":
                try:
                    await replay(bus, letter)
                except ForeignLetter as stranger:
                    left += 1
                    where = f"letter {letter.seq} of {letter.stream}"
                    sys.stderr.write(f"{where} was not sent again: {stranger}\n")
                    continue
            elif options.command == "drop":
                await drop(bus, letter)
            about = {
                name.removeprefix(PREFIX).lower(): value
                for name, value in headers_of(letter).items()
                if name.startswith(PREFIX)
            }
            place = {"seq": letter.seq, "in": letter.stream}
            sys.stdout.write(json.dumps(place | about) + "\n")
    return left


async def _meant(bus: Bus, options: argparse.Namespace) -> AsyncIterator[RawStreamMsg]:
    """Yield the one letter that was named, or all."""
    if options.command != "list" and not options.all:
        yield await letter_of(bus, options.stream or STREAM, options.seq)
        return
    async for letter in letters(bus, *([options.stream] if options.stream else STREAMS)):
        yield letter


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.kernel.dead_letters")
    commands = parser.add_subparsers(dest="command")
    shown = commands.add_parser("list", help="one JSON object a line, without the payload")
    every = [shown]
    for name, told in [
        ("replay", "send letters again to where they were meant, and take them out"),
        ("drop", "take letters out for good"),
    ]:
        command = commands.add_parser(name, help=told)
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("seq", type=int, nargs="?", help="as `list` shows it")
        which.add_argument("--all", action="store_true")
        every.append(command)
    for command in every:
        command.add_argument(
            "--in", dest="stream", choices=STREAMS, help=f"all, or {STREAM} for one letter"
        )
    return parser.parse_args()


if __name__ == "__main__":
    given = _options()
    if given.command is None:
        run_from_env(service, Settings, name=NAME)
    sys.exit(min(1, asyncio.run(_command(from_env_or_exit(Settings, NAME), given))))
