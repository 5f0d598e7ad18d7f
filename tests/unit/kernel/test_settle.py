"""What a failure means is decided once, for all handlers."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from centralita.dispatch.v1.events_pb2 import TaskQueued
from google.protobuf.message import DecodeError

from services.kernel.bus import Bus, BusUnavailable
from services.kernel.consume import PATIENT, consumer
from services.kernel.settle import FEW, Later, delay_after, settle
from services.kernel.wire import Outgoing


class Refusal(Exception):
    pass


@dataclass
class Delivered:
    """A delivery that writes down how it was settled."""

    delivered: int = 1
    age: timedelta = timedelta()
    settled: list[str] = field(default_factory=list)
    subject: str = "cc.acme.dispatch.v1.task.queued.chat"
    data: bytes = b"body"
    reply: str = "$JS.ACK.x"
    headers: dict[str, str] = field(default_factory=lambda: {"Nats-Msg-Id": "e-1", "ce-id": "e-1"})

    @property
    def metadata(self) -> Any:
        return SimpleNamespace(
            stream="DISPATCH",
            consumer="c",
            num_delivered=self.delivered,
            timestamp=datetime.now(UTC) - self.age,
            sequence=SimpleNamespace(stream=42),
        )

    async def ack(self) -> None:
        self.settled.append("ack")

    async def nak(self, delay: float | None = None) -> None:
        self.settled.append(f"nak {delay}")


@dataclass
class Letterbox:
    """A bus that keeps letters, and as its own `nc` notes what JetStream is told."""

    broken: bool = False
    letters: list[Outgoing] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)
    nc: Any = None

    def __post_init__(self) -> None:
        async def tell(reply: str, words: bytes) -> None:
            self.told.append(words)

        self.nc = SimpleNamespace(publish=tell)

    async def publish(self, message: Outgoing) -> bool:
        if self.broken:
            raise BusUnavailable
        self.letters.append(message)
        return False


async def settled(message: Delivered, outcome: BaseException | None, box: Letterbox) -> str:
    await settle(cast("Bus", box), cast("Any", message), outcome, final=(Refusal,), max_deliver=8)
    (how,) = message.settled + ["term" for words in box.told if words.startswith(b"+TERM ")]
    return how


def test_an_outage_of_half_an_hour_makes_no_dead_letter() -> None:
    config = consumer(TaskQueued, stream="DISPATCH", durable="tests")["config"]
    assert sum(map(delay_after, range(1, config.max_deliver))) > 30 * 60


@pytest.mark.parametrize(
    ("outcome", "delivered", "how"),
    [
        (None, 1, "ack"),
        (Refusal(), 1, "term"),
        (RuntimeError(), 1, "nak 0.5"),
        (RuntimeError(), 2, "nak 1.0"),
        (TimeoutError(), 7, "nak 30.0"),
        (TimeoutError(), 8, "term"),
        (RuntimeError(), 8, "term"),
        (DecodeError(), 1, "term"),
        (ValueError(), 1, "nak 0.5"),
        (ValueError(), 8, "term"),
        (asyncio.CancelledError(), 8, "nak None"),
        (Later(timedelta(seconds=90)), 8, "nak 90.0"),
        (Later(timedelta()), 1, "nak 0.05"),
    ],
)
async def test_each_outcome_has_one_meaning(
    outcome: BaseException | None, delivered: int, how: str
) -> None:
    box = Letterbox()
    assert await settled(Delivered(delivered), outcome, box) == how
    assert len(box.letters) == (how == "term")


async def test_what_nobody_foresaw_is_tried_for_a_minute_and_not_for_an_hour() -> None:
    for outcome, how in ((RuntimeError(), "term"), (TimeoutError(), "nak 30.0")):
        box, message = Letterbox(), Delivered(FEW)
        await settle(
            cast("Bus", box), cast("Any", message), outcome, answers=(), max_deliver=PATIENT
        )
        assert (message.settled or ["term"]) == [how]
    assert 30 < sum(map(delay_after, range(1, FEW))) < 90


@pytest.mark.parametrize(
    ("outcome", "age", "how"),
    [
        (RuntimeError(), timedelta(hours=23), "nak 30.0"),
        (RuntimeError(), timedelta(hours=25), "term"),
        (Later(timedelta(seconds=1)), timedelta(hours=25), "nak 1.0"),
        (None, timedelta(hours=25), "ack"),
    ],
)
async def test_patience_that_is_measured_by_age_does_not_count_deliveries(
    outcome: BaseException | None, age: timedelta, how: str
) -> None:
    box, day = Letterbox(), timedelta(hours=24)
    message = Delivered(1000, age)
    await settle(
        cast("Bus", box),
        cast("Any", message),
        outcome,
        max_deliver=-1,
        give_up_after=day,
    )
    assert (message.settled or ["term"]) == [how]
    assert len(box.letters) == (how == "term")


async def test_a_message_is_not_ended_before_its_letter_is_stored() -> None:
    assert await settled(Delivered(), DecodeError(), Letterbox(broken=True)) == "nak 30.0"


async def test_a_letter_tells_where_it_died_of_what_and_nothing_controls_the_stream() -> None:
    box = Letterbox()
    message = Delivered(headers={"Nats-Expected-Stream": "X", "Nats-Msg-Id": "e-1", "ce-id": "e-1"})
    await settled(message, DecodeError("may name a customer"), box)
    (letter,) = box.letters
    assert letter.subject == "dead.DISPATCH.c"
    assert letter.headers["Nats-Msg-Id"] == "dead:DISPATCH:c:42"
    assert letter.headers["Dead-Cause"] == "DecodeError"
    assert letter.headers["Dead-Subject"] == "cc.acme.dispatch.v1.task.queued.chat"
    assert letter.headers["ce-id"] == letter.headers["Dead-Msg-Id"] == "e-1"
    assert "Nats-Expected-Stream" not in letter.headers
    assert "customer" not in str(letter.headers)


def test_the_delay_doubles_and_ends_at_half_a_minute() -> None:
    assert [delay_after(n) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert delay_after(1_000_000) == 30
