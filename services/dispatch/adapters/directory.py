"""What the directory has said last, looked up at the stream itself.

Events take a moment to the router. Whoever names what was put just before should not be refused
for that, so before a refusal that rests on it the owner's last word is read, once.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta

from centralita.directory.v1.events_pb2 import GroupChanged, QueueChanged, UserChanged
from google.protobuf.message import DecodeError
from nats.errors import Error
from nats.js.errors import APIError, NotFoundError

from services.dispatch.configured import Configured, configured, removal_before
from services.dispatch.use_cases.ports import Intake, Unknown
from services.kernel.bus import Bus
from services.kernel.clock import Clock
from services.kernel.wire import parsed, subject_of

RECENT = timedelta(seconds=10)
"""What was said longer ago is known: to ask again and again costs a look-up a name, no more."""
LOOKED_UP_WITHIN_S = 1.0


class JetStreamDirectory:
    """See the port."""

    def __init__(self, bus: Bus, intake: Intake, clock: Clock) -> None:
        self._bus, self._intake, self._clock = bus, intake, clock

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
        except (Error, APIError, OSError, TimeoutError, Unknown, DecodeError, ValueError):
            return False

    async def _tell(self, wanted: Configured) -> bool:
        """Tell the router the last state of one, if it is news; the same twice changes nothing."""
        try:
            last = await self._bus.js.get_last_msg("DIRECTORY", subject_of(wanted))
        except NotFoundError:
            return False
        if last.time is None or self._clock() - last.time > RECENT:
            return False
        headers = last.headers or {}
        event = parsed(type(wanted), last.data or b"", headers)
        for fact, suffix in ((removal_before(event), "-before"), (configured(event), "")):
            if fact is not None:
                await self._intake.append(fact, dedup_id=f"in-{headers['ce-id']}{suffix}")
        return True
