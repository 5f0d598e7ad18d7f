"""Declared handlers, driven by our own pull loop: nothing is dropped, nothing stays stuck."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from faststream import AckPolicy
from faststream.nats import ConsumerConfig, JStream, NatsRouter, PullSub
from faststream.nats.subscriber.usecases import PullStreamSubscriber
from google.protobuf.message import DecodeError, Message
from nats.aio.msg import Msg
from nats.js.api import AckPolicy as ServerAckPolicy

from .bus import Bus
from .delivery import Deliveries, EventMeta, meta
from .pull import Pull
from .settle import Later, settle
from .wire import NOTHING, Misdeclared, decode, filter_for, template_of

__all__ = ["EventMeta", "Later", "Misdeclared", "consumer", "consuming", "meta"]

PATIENT = 100
"""Deliveries, about three quarters of an hour of them: an outage of a store, or of another service,
heals by itself, and only then is a message a dead letter."""

GIVE_UP_AFTER = "centralita-give-up-after-s"
"""What a consumer's metadata says of our patience, for us and for whoever inspects it."""


def consumer(  # noqa: PLR0913 - a declaration: every rule of delivery by its name
    kind: type[Message],
    *,
    stream: str,
    durable: str,
    where: Mapping[str, str | int] = NOTHING,
    max_workers: int = 16,
    ack_wait: timedelta = timedelta(seconds=15),
    max_deliver: int = PATIENT,
    give_up_after: timedelta | None = None,
    max_ack_pending: int = 0,
) -> dict[str, Any]:
    """Declare `@router.subscriber(**consumer(Kind, stream=..., durable=...))`.

    `where` narrows placeholders of the subject to one value each, such as a task's channel to
    calls: the server sends no others. A durable that is there already takes the new filter up as it
    starts; what was on its way to it by then still comes, whatever it is about.

    `max_workers` handlers run at once; 1 keeps the order of the stream, but for retries. A process
    that dies gives its messages back after `ack_wait`; a living one may take longer than that, four
    times at most. After `max_deliver` deliveries a failure makes the message a dead letter.

    A handler that raises `Later` wants `give_up_after` instead: then deliveries do not count, and
    a failure is the last when the message is older. What waits to come again is pending: with
    `max_ack_pending` of those, the server sends nothing new; 0 means four times `max_workers`, at
    least 256.
    """
    listened = filter_for(kind, where)
    by_age = {} if give_up_after is None else {GIVE_UP_AFTER: str(give_up_after.total_seconds())}
    return {
        "subject": listened,
        "stream": JStream(stream, declare=False),  # deploy/nats/streams.toml declares it
        "durable": durable,
        "pull_sub": PullSub(batch_size=max_workers),
        "config": ConsumerConfig(
            durable_name=durable,
            description=template_of(kind),
            filter_subject=listened,
            ack_policy=ServerAckPolicy.EXPLICIT,
            ack_wait=ack_wait.total_seconds(),
            max_deliver=-1 if by_age else max_deliver,
            max_ack_pending=max_ack_pending or max(256, 4 * max_workers),
            metadata=by_age or None,
        ),
        "ack_policy": AckPolicy.MANUAL,  # settle.py decides; the framework's default drops
        "decoder": decode(kind),
        "no_reply": True,
    }


@asynccontextmanager
async def consuming(
    bus: Bus, router: NatsRouter, *, final: tuple[type[Exception], ...] = ()
) -> AsyncIterator[None]:
    """Run the router's handlers. On leaving, unstarted messages go back to the stream at once.

    `final` are refusals: a handler that lets one through has met an event that it can do nothing
    with, which becomes a dead letter at once. What is an ordinary end, such as a race that was
    lost, the handler says by returning.
    """
    bus.broker.include_router(router)
    driven = [(one, _driver(bus, one, final)) for one in map(_declared, router.subscribers)]
    started: list[Pull] = []
    try:
        for subscriber, pull in driven:
            # With a subscription in place FastStream makes none of its own: ours feeds it.
            cast("Any", subscriber).subscription = pull
            await subscriber.start()
            await pull.start()
            started.append(pull)
        yield
    finally:
        await asyncio.gather(*(pull.stop() for pull in started))
        for subscriber, _ in driven:
            await subscriber.stop()


def _declared(subscriber: object) -> PullStreamSubscriber:
    if (
        not isinstance(subscriber, PullStreamSubscriber)
        or subscriber.ack_policy is not AckPolicy.MANUAL
        or not subscriber.config.durable_name
        or len(subscriber.calls) != 1
    ):
        raise Misdeclared(f"{subscriber!r}: declare it with kernel.consume.consumer")
    return subscriber


def _driver(bus: Bus, subscriber: PullStreamSubscriber, final: tuple[type[Exception], ...]) -> Pull:
    config = subscriber.config
    deliveries = Deliveries(config.description or "", config.durable_name or "")
    longest = 4 * (config.ack_wait or 30.0)
    [declared] = subscriber.calls
    told = (config.metadata or {}).get(GIVE_UP_AFTER)
    give_up_after = None if told is None else timedelta(seconds=float(told))

    async def handle(message: Msg) -> None:
        outcome: BaseException | None = None
        try:
            async with asyncio.timeout(longest):
                with deliveries.handling(message):
                    await _call(declared, message)
        except Exception as trouble:  # noqa: BLE001 - settle says what each one means
            outcome = trouble
        await settle(
            bus,
            message,
            outcome,
            final=final,
            max_deliver=config.max_deliver or 0,
            give_up_after=give_up_after,
        )

    return Pull(
        bus,
        subscriber.stream.name,
        config,
        handle,
        max_workers=subscriber.pull_sub.batch_size,
    )


async def _call(declared: Any, message: Msg) -> None:
    """Read the message and call the handler, both as declared.

    The framework's own `process_message` does that among contexts, middlewares and log lines that
    no handler of ours uses and that cost more than most of them.
    """
    try:
        event = await declared.decoder(await declared.parser(message))
    except Exception as flaw:  # a decoder looks at nothing but the message
        raise flaw if isinstance(flaw, DecodeError) else DecodeError from flaw
    await declared.handler(event)
