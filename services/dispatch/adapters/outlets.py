"""Events and answers on their way out, sent again until the bus has them."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from nats.aio.msg import Msg
from nats.errors import Error

from services.dispatch.domain.decisions import Answered
from services.dispatch.use_cases.ports import Shard, Step
from services.kernel.bus import Bus
from services.kernel.ending import beside
from services.kernel.wire import Outgoing, outgoing

from .events import events_of
from .traces import Traces

log = logging.getLogger(__name__)

ON_THE_WAY_AT_MOST = 4096
RESEND_AFTER_S = 2.0


class JetStreamOutlets:
    """See the port."""

    def __init__(self, bus: Bus, traces: Traces) -> None:
        self._bus = bus
        self._traces = traces

    @asynccontextmanager
    async def open(self, shard: Shard, emitted: int) -> AsyncIterator["JetStreamOutlet"]:
        outlet = JetStreamOutlet(self._bus, self._traces, shard, emitted)
        inbox = self._bus.nc.new_inbox()
        acks = await self._bus.nc.subscribe(f"{inbox}.*", cb=outlet.taken)
        outlet.acks_to = inbox
        try:
            async with beside(outlet.resend()):
                with self._bus.on_resume(outlet.hurry):
                    yield outlet
        finally:
            with suppress(Error, OSError):
                await acks.unsubscribe()


@dataclass(slots=True)
class _Sent:
    record: int
    message: Outgoing
    at: float


class JetStreamOutlet:
    """See the port. Ids derive from the place in the journal, so that a repetition is known."""

    def __init__(self, bus: Bus, traces: Traces, shard: Shard, emitted: int) -> None:
        self.acks_to = ""
        self._bus = bus
        self._traces = traces
        self._shard = shard
        self._emitted = emitted
        self._records: OrderedDict[int, int] = OrderedDict()
        self._sent: dict[int, _Sent] = {}
        self._token = 0
        self._room = asyncio.Event()
        self._hurry = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def emitted(self) -> int:
        return self._emitted

    async def emit(self, record: int, steps: Sequence[Step]) -> None:
        number = 0
        self._records[record] = 1
        for step in steps:
            at = datetime.fromtimestamp(step.at / 1000, UTC)
            parent = self._traces.of(self._shard, step.input_sequence)
            for decision, event in events_of(step.decisions):
                if type(decision) is Answered:
                    await self._answer(decision)
                elif event is not None:
                    number += 1
                    event_id = f"d{self._shard}-{record}-{number}"
                    message = outgoing(event, event_id=event_id, at=at, traceparent=parent)
                    await self._send(record, message)
        self._out(record)
        while len(self._sent) > ON_THE_WAY_AT_MOST:
            self._room.clear()
            await self._room.wait()

    async def flushed(self) -> None:
        while self._sent:
            self._room.clear()
            await self._room.wait()

    async def taken(self, ack: Msg) -> None:
        token = int(ack.subject.rpartition(".")[2])
        if not ack.data:
            return  # nobody took it: JetStream is not up yet, so it is sent again
        if b'"error"' in ack.data:
            log.error("an event was refused by the bus", extra={"shard": self._shard})
            return
        sent = self._sent.pop(token, None)
        if sent is not None:
            self._out(sent.record)
            self._room.set()

    def hurry(self) -> None:
        self._hurry.set()

    async def resend(self) -> None:
        """Send again what was not taken: after a reconnect at once, else after a while."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RESEND_AFTER_S / 2):
                    await self._hurry.wait()
            due = self._loop.time() - (0 if self._hurry.is_set() else RESEND_AFTER_S)
            self._hurry.clear()
            for token, sent in tuple(self._sent.items()):
                if sent.at <= due:
                    sent.at = self._loop.time()
                    await self._publish(token, sent.message)

    async def _send(self, record: int, message: Outgoing) -> None:
        self._token += 1
        self._records[record] += 1
        self._sent[self._token] = _Sent(record, message, self._loop.time())
        await self._publish(self._token, message)

    async def _publish(self, token: int, message: Outgoing) -> None:
        with suppress(Error, OSError):  # sent again later
            await self._bus.nc.publish(
                message.subject,
                message.payload,
                reply=f"{self.acks_to}.{token}",
                headers=dict(message.headers),
            )

    async def _answer(self, answer: Answered) -> None:
        if not answer.reply_to:
            return
        payload = wire.Answered(
            tenant_id=answer.tenant_id,
            request_id=answer.request_id,
            reason=answer.reason,
            count=answer.count,
        )
        with suppress(Error, OSError):  # who asked will ask again
            await self._bus.nc.publish(answer.reply_to, payload.SerializeToString())

    def _out(self, record: int) -> None:
        records = self._records
        records[record] -= 1
        while records:
            oldest = next(iter(records))
            if records[oldest]:
                break
            del records[oldest]
            self._emitted = oldest
