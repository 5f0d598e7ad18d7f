"""An ordered reader of a stream: it notices each gap and asks again behind the last it saw."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import BadRequestError, NotFoundError

from .bus import Bus
from .causes import cause_of

log = logging.getLogger(__name__)

HEARTBEAT = 1.0  # an idle server says this often that it still reads for us
SILENCE = 2.5  # after so long without one the consumer is taken for lost
ANSWERED_WITHIN = 1.0  # a request that was lost while a leader is elected is not waited for
ABANDONED = 2.0  # so soon the server drops a consumer that nobody listens to; we may not
EPOCH = datetime.fromtimestamp(0, UTC)  # no stream has anything before
ROUNDED = timedelta(microseconds=1)  # the server counts nanoseconds, `Tailed.at` may be this late


@dataclass(frozen=True, slots=True)
class Tailed:
    """One message of the stream; `pending` more of those asked for were there behind it."""

    sequence: int
    at: datetime
    subject: str
    headers: Mapping[str, str]
    data: bytes
    pending: int


class Reader:
    """Reads one stream for one reader; what `tail` is made of."""

    def __init__(  # noqa: PLR0913 - where to start, said in one of three ways
        self,
        bus: Bus,
        stream: str,
        subjects: tuple[str, ...],
        last: int,
        *,
        since: datetime | None,
        last_per_subject: bool,
    ) -> None:
        self._bus, self._stream, self._subjects = bus, stream, subjects
        self._last, self._since, self._snapshot = last, since, last_per_subject
        self._subscription: Subscription | None = None
        self._delivered = 0  # of this consumer; the server numbers without gaps
        self._opened = self._lost = False
        self._heard = 0.0
        self._arrived: deque[Msg] = deque()
        self._wake = asyncio.Event()

    def lose(self) -> None:
        self._lost = True
        self._wake.set()

    async def _open(self, patience: float) -> bool:
        """Ask for all behind the last message seen; tell whether something is there already."""
        await self.close()
        self._arrived.clear()
        self._delivered, self._lost = 0, False
        self._heard = asyncio.get_running_loop().time()
        inbox = self._bus.nc.new_inbox()
        self._subscription = await self._bus.nc.subscribe(inbox, cb=self._take)
        made = await self._bus.js.add_consumer(self._stream, self._config(inbox), timeout=patience)
        self._opened = True
        return bool(made.num_pending)

    async def batch(self) -> list[Tailed]:
        """Wait for at least one message and return all that came meanwhile."""
        while True:
            self._wake.clear()
            if self._lost:
                await self.reopen()
            if batch := await self._read():
                return batch
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._wake.wait()
            if asyncio.get_running_loop().time() - self._heard > SILENCE:
                self._lost = True

    async def close(self) -> None:
        with suppress(Error, OSError, TimeoutError):
            if self._subscription is not None:
                await self._subscription.unsubscribe()
        self._subscription = None

    async def reopen(self, *, skip: bool = False) -> bool:
        """Open, however long it takes; with `skip`, behind all that is stored by now."""
        pause, patience = 0.025, ANSWERED_WITHIN
        while True:
            try:
                if self._bus.nc.is_connected:
                    if skip:
                        state = (await self._bus.js.stream_info(self._stream)).state
                        self._last, skip = state.last_seq, False
                    return await self._open(patience)
            except (Error, OSError, TimeoutError) as trouble:
                if isinstance(trouble, NotFoundError | BadRequestError) and not self._opened:
                    raise  # no such stream or subject: waiting does not help
                log.warning(
                    "a tail is cut off; trying again",
                    extra={"stream": self._stream, "cause": cause_of(trouble)},
                )
            self._wake.clear()
            pause, patience = min(2 * pause, 1.0), 2 * ANSWERED_WITHIN
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _take(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        self._arrived.append(message)
        self._wake.set()

    async def _read(self) -> list[Tailed]:
        batch: list[Tailed] = []
        while self._arrived and not self._lost:
            message = self._arrived.popleft()
            if message.reply.startswith("$JS.ACK."):
                self._accept(message, batch)
            else:
                await self._heed(message)
        return batch

    def _accept(self, message: Msg, batch: list[Tailed]) -> None:
        known = message.metadata
        if known.sequence.consumer != self._delivered + 1:
            self._lost = True
            return
        self._delivered += 1
        if known.sequence.stream <= self._last:
            return
        self._last = known.sequence.stream
        batch.append(
            Tailed(
                sequence=self._last,
                at=known.timestamp,
                subject=message.subject,
                headers=message.headers or {},
                data=message.data,
                pending=known.num_pending,
            )
        )

    async def _heed(self, message: Msg) -> None:
        """Answer flow control once all before it was read; notice what a heartbeat says we miss."""
        headers = message.headers or {}
        if answer := message.reply or headers.get("Nats-Consumer-Stalled"):
            with suppress(Error, OSError):
                await self._bus.nc.publish(answer)
        elif headers.get("Status") != "100":
            self._lost = True
        else:
            self._lost = int(headers.get("Nats-Last-Consumer", 0)) != self._delivered

    def _config(self, inbox: str) -> ConsumerConfig:
        begin = ConsumerConfig(
            # Without a name: who may choose one may choose another's, and change that consumer.
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last + 1,
            filter_subjects=list(self._subjects) or None,
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            flow_control=True,
            idle_heartbeat=HEARTBEAT,
            inactive_threshold=ABANDONED,
            num_replicas=1,
            mem_storage=True,
        )
        if self._snapshot and not self._last:
            return begin.evolve(
                deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
                opt_start_seq=None,
                filter_subjects=list(self._subjects) or [">"],
            )
        if self._since is not None and not self._last:
            return begin.evolve(
                deliver_policy=DeliverPolicy.BY_START_TIME,
                opt_start_seq=None,
                opt_start_time=max(self._since, EPOCH) - ROUNDED,
            )
        return begin
