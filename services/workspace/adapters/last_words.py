"""The last word on a card or a viewer, in our own stream, is what there is to know of it.

Telling and storing are one publish, and what it says is the whole state. It names the position of
the word before it, so that of two who tell at once one is refused, and a publish that came twice
is stored once.
"""

from collections import OrderedDict
from dataclasses import replace

from centralita.workspace.v1.events_pb2 import CardChanged, ViewerChanged
from google.protobuf.message import Message
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from services.kernel.bus import Bus, Overtaken
from services.kernel.clock import Clock
from services.kernel.ids import new_id
from services.kernel.telemetry import traceparent
from services.kernel.wire import outgoing, subject_of
from services.workspace import messages
from services.workspace.domain.errors import Stale
from services.workspace.domain.sources import Sources
from services.workspace.domain.viewer import Viewer

STREAM = "WORKSPACE"
REMEMBERED = 10_000


class LastOnCards:
    """Remembers what it told last, so that the next fact of a conversation needs no read."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._told: OrderedDict[tuple[str, str], Sources] = OrderedDict()

    def recalled(self, tenant_id: str, conversation_id: str) -> Sources | None:
        return self._told.get((tenant_id, conversation_id))

    async def read(self, tenant_id: str, conversation_id: str) -> Sources | None:
        about = CardChanged(tenant_id=tenant_id, conversation_id=conversation_id)
        found = await _last(self._bus, about)
        if found is None:
            return None
        return messages.to_sources(found.seq or 0, found.data or b"", found.headers or {})

    async def save(self, before: Sources, after: Sources) -> None:
        key = after.tenant_id, after.conversation_id
        self._told.pop(key, None)  # until the outcome is known
        event = messages.card_changed(after, before.standing if before.revision else None)
        position = await _tell(self._bus, event, self._clock, after=before.position)
        self._told[key] = replace(after, position=position)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)


class LastOnViewers:
    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock

    async def read(self, tenant_id: str, user_id: str) -> Viewer | None:
        found = await _last(self._bus, ViewerChanged(tenant_id=tenant_id, user_id=user_id))
        if found is None:
            return None
        return messages.to_viewer(found.seq or 0, found.data or b"", found.headers or {})

    async def save(self, before: Viewer | None, after: Viewer) -> None:
        event = messages.viewer_changed(after)
        await _tell(self._bus, event, self._clock, after=before.position if before else 0)


async def _last(bus: Bus, about: Message) -> RawStreamMsg | None:
    """Ask the leader, so that a read after a write sees it."""
    try:
        return await bus.js.get_last_msg(STREAM, subject_of(about))
    except NotFoundError:
        return None


async def _tell(bus: Bus, event: Message, clock: Clock, *, after: int) -> int:
    message = outgoing(event, event_id=new_id(), at=clock(), traceparent=traceparent())
    try:
        return await bus.append(message, after=after)
    except Overtaken as first:
        raise Stale("It changed meanwhile.") from first
