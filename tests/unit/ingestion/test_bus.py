"""What ingestion tells on the bus goes on in the trace that brought it."""

from typing import Any, cast

import pytest
from nats.errors import MaxPayloadError
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from services.ingestion.adapters.bus import BusFacts
from services.ingestion.domain.errors import BodyTooLarge
from services.ingestion.domain.message import InboundMessage
from services.kernel.wire import Outgoing
from tests.unit.ingestion.test_accept import NINE, SHOP


class Taken:
    def __init__(self) -> None:
        self.messages: list[Outgoing] = []

    async def publish(self, message: Outgoing) -> bool:
        self.messages.append(message)
        return False


async def test_a_message_that_the_bus_would_never_take_is_refused_and_not_our_fault() -> None:
    """It was INTERNAL, which connectors repeat for ever."""

    class Full(Taken):
        async def publish(self, message: Outgoing) -> bool:
            raise MaxPayloadError

    facts = BusFacts(cast("Any", Full()), lambda: NINE)
    with pytest.raises(BodyTooLarge):
        await facts.received(SHOP, InboundMessage("p-1", "+1555", "hi", NINE))


async def test_a_customers_message_carries_the_trace_of_the_door_it_came_by() -> None:
    bus = Taken()
    context = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        facts = BusFacts(cast("Any", bus), lambda: NINE)
        await facts.received(SHOP, InboundMessage("p-1", "+1555", "hi", NINE))
    (told,) = bus.messages
    assert told.headers["traceparent"].split("-")[1] == f"{0xABC:032x}"
