"""Tell JetStream what became of a message: done, answered, never, or later."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from nats.aio.msg import Msg
from nats.js.errors import APIError

from .bus import Bus, BusUnavailable
from .causes import Fault, cause_of, fault_of
from .dead import KEPT, dead_letter, keep

log = logging.getLogger(__name__)

FEW = 8
"""Deliveries of a message over which a handler fails as nobody foresaw: a minute of them."""

LONGEST_DELAY = 30.0
SHORTEST_WAIT = 0.05


class Later(Exception):
    """Raised by a handler to be called again after `delay`: neither a success nor a failure.

    It never ends a message, so who raises it must know when to stop. JetStream counts deliveries
    all the same: declare the consumer with `give_up_after`, or the server gives up by count.
    """

    def __init__(self, delay: timedelta) -> None:
        super().__init__(delay)
        self.delay = delay


def delay_after(delivered: int) -> float:
    """Return the seconds until the next try: 0.5, 1, 2, ... 30."""
    return min(0.25 * (1 << min(delivered, 10)), LONGEST_DELAY)


async def settle(  # noqa: PLR0913 - the rules of a consumer, each by its name
    bus: Bus,
    message: Msg,
    outcome: BaseException | None,
    *,
    answers: tuple[type[Exception], ...] = (),
    final: tuple[type[Exception], ...] = (),
    max_deliver: int,
    give_up_after: timedelta | None = None,
) -> None:
    """Ack what was done or answered, end poison and exhausted patience in DEAD, put off the rest.

    `answers` are outcomes that leave nothing to do. `final` is what no repetition changes: nobody
    asked, so nobody hears the refusal, and it must not pass for done. That, and what fails because
    of the message alone, is over at once. Trouble outside is over at the `max_deliver`-th delivery,
    if that is above 0; what nobody foresaw, after a few; both, where it is given, only once the
    message has been in the stream for `give_up_after`.
    The dead letter is stored before the message is ended: on a work queue the end deletes it.
    """
    if outcome is None or isinstance(outcome, answers):
        await message.ack()
        return
    if isinstance(outcome, asyncio.CancelledError):
        await message.nak()
        return
    if isinstance(outcome, Later):
        await message.nak(delay=max(outcome.delay.total_seconds(), SHORTEST_WAIT))
        return
    known = message.metadata
    facts = {
        "stream": known.stream,
        "consumer": known.consumer,
        "sequence": known.sequence.stream,
        "attempt": known.num_delivered,
        "cause": cause_of(outcome),
    }
    fault = Fault.INPUT if isinstance(outcome, final) else fault_of(outcome)
    if fault is Fault.INPUT:
        last = True
    elif give_up_after is not None:
        last = datetime.now(UTC) - known.timestamp > give_up_after
    elif fault is Fault.OUTSIDE:
        last = 0 < max_deliver <= known.num_delivered
    else:
        last = known.num_delivered >= (min(FEW, max_deliver) if max_deliver > 0 else FEW)
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
        cause=cause_of(outcome),
        at=datetime.now(UTC),
        poison=fault is Fault.INPUT,
    )
    try:
        await keep(bus, letter)
    except (BusUnavailable, APIError):
        await message.nak(delay=LONGEST_DELAY)
        return
    await bus.nc.publish(message.reply, b"+TERM " + KEPT.encode())
