"""The last word on a card or a viewer, in our own stream, is what there is to know of it.

Telling and storing are one publish, and what it says is the whole state. It names the position of
the word before it, so that of two who tell at once one is refused, and a publish that came twice
is stored once.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeVar

from centralita.workspace.v1.events_pb2 import CardChanged, ViewerChanged
from google.protobuf.message import Message
from nats.js.errors import NotFoundError

from services.kernel.bus import Bus, Overtaken
from services.kernel.clock import Clock
from services.kernel.ids import new_id
from services.kernel.tail import tail, until_now
from services.kernel.telemetry import traceparent
from services.kernel.unreadable import understood
from services.kernel.wire import outgoing, subject_of
from services.workspace import messages
from services.workspace.domain.errors import Stale
from services.workspace.domain.sources import Sources
from services.workspace.domain.viewer import Role, Viewer

STREAM = "WORKSPACE"
T = TypeVar("T")
Read = Callable[[int, bytes, Mapping[str, str]], T]
"""Reads a word at a position; raises over what is none."""
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
        position, known = await _last(self._bus, about, messages.to_sources)
        if position and known is None:
            return Sources(tenant_id, conversation_id, position=position)
        return known and replace(known, position=position)

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
        about = ViewerChanged(tenant_id=tenant_id, user_id=user_id)
        position, known = await _last(self._bus, about, messages.to_viewer)
        if position and known is None:
            return Viewer(tenant_id, user_id, Role.AGENT, frozenset(), 0, position)
        return known and replace(known, position=position)

    async def save(self, before: Viewer | None, after: Viewer) -> None:
        event = messages.viewer_changed(after)
        await _tell(self._bus, event, self._clock, after=before.position if before else 0)


async def _last(bus: Bus, about: Message, read: Read[T]) -> tuple[int, T | None]:
    """Return where the last word is, 0 for nowhere, and the last that can be read.

    Asks the leader, so that a read after a write sees it.
    """
    subject = subject_of(about)
    try:
        found = await bus.js.get_last_msg(STREAM, subject)
    except NotFoundError:
        return 0, None
    position = found.seq or 0
    said = partial(read, position, found.data or b"", found.headers or {})
    known = understood(STREAM, said, sequence=position)
    if known is None:
        known = await last_readable(bus, subject, read)
    return position, known


async def last_readable(bus: Bus, subject: str, read: Read[T]) -> T | None:
    """Return the last word that can be read, of those before it that the stream still keeps."""
    known: T | None = None
    async with aclosing(until_now(tail(bus, STREAM, subjects=[subject]))) as batches:
        async for batch in batches:
            for one in batch:
                said = partial(read, one.sequence, one.data, one.headers)
                known = understood(STREAM, said, sequence=one.sequence) or known
    return known


async def _tell(bus: Bus, event: Message, clock: Clock, *, after: int) -> int:
    message = outgoing(event, event_id=new_id(), at=clock(), traceparent=traceparent())
    try:
        return await bus.append(message, after=after)
    except Overtaken as first:
        raise Stale("It changed meanwhile.") from first
