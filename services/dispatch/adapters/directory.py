"""What the directory has said last, read at its stream.

Events take a moment to the router. Whoever names what was put just before should not be refused
for that, so before a refusal that rests on it the owner's last word is read, once.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import timedelta

from centralita.directory.v1.events_pb2 import (
    GroupChanged,
    PresencePolicyChanged,
    QueueChanged,
    UserChanged,
)
from nats.errors import Error
from nats.js.errors import APIError, NotFoundError

from services.dispatch.configured import Configured, facts_of
from services.dispatch.use_cases.ports import Configuration, Intake, Shard, Unknown
from services.kernel.bus import Bus
from services.kernel.clock import Clock
from services.kernel.tail import Tailed, heard, tail
from services.kernel.unreadable import understood
from services.kernel.wire import event_in, filter_for, subject_of

from .logs import shard_of

STREAM = "DIRECTORY"
RECENT = timedelta(seconds=10)
"""What was said longer ago is known: to ask again and again costs a look-up a name, no more."""
LOOKED_UP_WITHIN_S = 1.0
_KINDS: dict[str, type[Configured]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (QueueChanged, GroupChanged, UserChanged, PresencePolicyChanged)
}


class JetStreamDirectory:
    """See the port."""

    def __init__(self, bus: Bus, intake: Intake, clock: Clock, shards: int) -> None:
        self._bus, self._intake, self._clock, self._shards = bus, intake, clock, shards

    async def tell_news(
        self, tenant_id: str, *, users: Iterable[str], queues: Iterable[str], groups: Iterable[str]
    ) -> bool:
        wanted: list[Configured] = [
            *(UserChanged(tenant_id=tenant_id, user_id=it) for it in users),
            *(QueueChanged(tenant_id=tenant_id, queue_id=it) for it in queues),
            *(GroupChanged(tenant_id=tenant_id, group_id=it) for it in groups),
        ]
        try:
            async with asyncio.timeout(LOOKED_UP_WITHIN_S):
                return any([await self._tell(it) for it in wanted])
        except (Error, APIError, OSError, TimeoutError, Unknown, ValueError):
            return False

    async def _tell(self, wanted: Configured) -> bool:
        """Tell the router the last state of one, if it is news; the same twice changes nothing."""
        subject = subject_of(wanted)
        try:
            last = await self._bus.js.get_last_msg(STREAM, subject)
        except NotFoundError:
            return False
        if last.time is None or self._clock() - last.time > RECENT:
            return False
        headers = last.headers or {}

        def read() -> list[tuple[Configuration, str]]:
            event = event_in(type(wanted), subject, last.data or b"", headers)
            return list(facts_of(event, headers["ce-id"]))

        facts = understood(STREAM, read, sequence=last.seq or 0) or []
        for fact, dedup_id in facts:
            await self._intake.append(fact, dedup_id)
        return bool(facts)

    async def configuration(self, shard: Shard) -> AsyncGenerator[list[Configuration], None]:
        subjects = [filter_for(kind) for kind in _KINDS.values()]
        reading = tail(self._bus, STREAM, subjects=subjects, last_per_subject=True)
        async with aclosing(reading) as batches:
            async for batch in batches:
                yield [fact for one in batch for fact in self._said(one, shard)]
                if not batch or batch[-1].pending == 0:
                    return

    def _said(self, one: Tailed, shard: Shard) -> Iterable[Configuration]:
        _, tenant_id, *_ = one.subject.split(".")
        kind = _KINDS.get(one.headers.get("ce-type", ""))
        if kind is None or shard_of(tenant_id, self._shards) != shard:
            return []
        event = heard(kind, STREAM, one)
        return [] if event is None else [fact for fact, _ in facts_of(event, "")]
