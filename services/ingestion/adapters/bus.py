"""Facts of ingestion on the bus. Ids are stable, so that telling one again changes nothing."""

from centralita.ingestion.v1.events_pb2 import MessageRefused
from google.protobuf.message import Message
from nats.errors import MaxPayloadError
from nats.js.errors import APIError

from services.ingestion import messages
from services.ingestion.domain.account import ChannelAccount
from services.ingestion.domain.delivery import Fate
from services.ingestion.domain.errors import BodyTooLarge, BusUnavailable
from services.ingestion.domain.lately import SaidLately
from services.ingestion.domain.message import InboundMessage
from services.kernel import bus as kernel
from services.kernel.clock import Clock
from services.kernel.telemetry import traceparent
from services.kernel.wire import outgoing


class BusFacts:
    def __init__(self, bus: kernel.Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._said = SaidLately()

    async def received(self, account: ChannelAccount, message: InboundMessage) -> bool:
        event = messages.received(account, message)
        name, content = ":".join((*account.life, message.fingerprint())), message.content()
        known = self._said.note(name, content)
        try:
            duplicate = await self._publish(event, name)
            if duplicate and not known:
                # Somebody else took it, in whatever words. Conversations has those, and compares.
                self._said.forget(name)
                await self._publish(event, f"{name}:{content}")
        except BaseException:  # a caller who leaves, too: whether it was stored is unknown
            self._said.doubt(name)
            raise
        return duplicate

    async def refused(self, event: MessageRefused, event_id: str) -> None:
        await self._publish(event, event_id)

    async def tell(self, fate: Fate) -> None:
        event_id = f"{fate.tenant_id}:{fate.message_id}:{fate.status.value}"
        await self._publish(messages.updated(fate), event_id)

    async def _publish(self, event: Message, event_id: str) -> bool:
        try:
            message = outgoing(
                event, event_id=event_id, at=self._clock(), traceparent=traceparent()
            )
            return await self._bus.publish(message)
        except MaxPayloadError as flaw:
            raise BodyTooLarge("Send less: what is told on is too large for the bus.") from flaw
        except (kernel.BusUnavailable, APIError) as trouble:
            raise BusUnavailable(
                "The bus gave no durable ack, so whether it was stored is unknown: send the same"
                " again, it will not count twice."
            ) from trouble
