"""Waiting for the bus in tests: poll until it is so, never sleep and hope."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, overload

import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from services.kernel import projection
from services.kernel.bus import Bus

T = TypeVar("T")


@overload
async def until(found: Callable[[], Awaitable[T]], *, within: float = 5.0) -> T: ...
@overload
async def until(found: Callable[[], T], *, within: float = 5.0) -> T: ...
async def until(found: Callable[[], Any], *, within: float = 5.0) -> Any:
    """Return the first true answer; AssertionError when none came in time."""
    give_up = time.monotonic() + within
    while True:
        answer = found()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {within} s")
        await asyncio.sleep(0.005)


async def drained(bus: Bus, stream: str, durable: str, *, within: float = 5.0) -> None:
    """Wait until the consumer has settled all that its stream has for it.

    A consumer counts what is pending a moment after the stream has stored it, so its word alone
    comes too early.
    """
    asked = (await bus.js.consumer_info(stream, durable)).config
    subjects = asked.filter_subjects or [asked.filter_subject or ">"]
    last = max([await _last(bus, stream, subject) for subject in subjects])

    async def nothing_left() -> bool:
        info = await bus.js.consumer_info(stream, durable)
        settled = info.ack_floor is not None and info.ack_floor.stream_seq >= last
        return settled and not info.num_pending and not info.num_ack_pending

    await until(nothing_left, within=within)


async def _last(bus: Bus, stream: str, subject: str) -> int:
    """Return the sequence of the last message; 0 when there is none, or none any more."""
    try:
        return (await bus.js.get_last_msg(stream, subject)).seq or 0
    except NotFoundError:
        return 0


def slow_projections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what services project from here on hear nothing of what is told, as if it were late."""

    async def follow(*args: Any, **_: Any) -> None:
        *_others, caught_up = args
        caught_up.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(projection, "_follow", follow)


async def wiped(js: JetStreamContext) -> None:
    """Delete every consumer and message, so that one test does not see another's."""
    for stream in await js.streams_info():
        name = stream.config.name or ""
        for consumer in await js.consumers_info(name):
            with suppress(NotFoundError):  # a tail tells the server to delete its own, and is gone
                await js.delete_consumer(name, consumer.name)
        await js.purge_stream(name)
