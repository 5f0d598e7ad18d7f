"""Tell JetStream what became of a message: done, answered, never, or later."""

import asyncio
import logging
from datetime import UTC, datetime

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.js.errors import APIError

from .bus import Bus, BusUnavailable
from .dead import KEPT, dead_letter

log = logging.getLogger(__name__)

LONGEST_DELAY = 30.0


def delay_after(delivered: int) -> float:
    """Return the seconds until the next try: 0.5, 1, 2, ... 30."""
    return min(0.25 * (1 << min(delivered, 10)), LONGEST_DELAY)


async def settle(
    bus: Bus,
    message: Msg,
    outcome: BaseException | None,
    *,
    answers: tuple[type[Exception], ...],
    max_deliver: int,
) -> None:
    """Ack what was done or answered, end poison and exhausted patience in DEAD, put off the rest.

    The dead letter is stored before the message is ended: on a work queue the end deletes it.
    """
    if outcome is None or isinstance(outcome, answers):
        await message.ack()
        return
    if isinstance(outcome, asyncio.CancelledError):
        await message.nak()
        return
    known = message.metadata
    facts = {
        "stream": known.stream,
        "consumer": known.consumer,
        "sequence": known.sequence.stream,
        "attempt": known.num_delivered,
        "cause": type(outcome).__qualname__,
    }
    last = isinstance(outcome, DecodeError) or 0 < max_deliver <= known.num_delivered
    if not last:
        log.warning("a handler failed; the message comes again", extra=facts, exc_info=outcome)
        await message.nak(delay=delay_after(known.num_delivered))
        return
    log.error("a message is given up", extra=facts, exc_info=outcome)
    letter = dead_letter(
        message.subject,
        message.data,
        message.headers or {},
        stream=known.stream,
        consumer=known.consumer,
        sequence=known.sequence.stream,
        deliveries=known.num_delivered,
        cause=type(outcome).__qualname__,
        at=datetime.now(UTC),
    )
    try:
        await bus.publish(letter)
    except (BusUnavailable, APIError):
        await message.nak(delay=LONGEST_DELAY)
        return
    await bus.nc.publish(message.reply, b"+TERM " + KEPT.encode())
