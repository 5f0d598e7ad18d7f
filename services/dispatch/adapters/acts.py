"""Audit entries, read from the stream that keeps them."""

import asyncio
from contextlib import aclosing
from datetime import datetime
from functools import partial

from centralita.dispatch.v1 import events_pb2 as public
from nats.errors import Error

from services.dispatch.domain.decisions import Acted
from services.dispatch.messages import read_acted
from services.dispatch.use_cases.acts import Page
from services.dispatch.use_cases.ports import Unknown
from services.kernel.bus import Bus
from services.kernel.tail import Tailed, tail
from services.kernel.unreadable import understood
from services.kernel.wire import event_in, subject_of

STREAM = "AUDIT"
READ_WITHIN_S = 3.0


class JetStreamActs:
    """See the port. A place is a sequence of the stream."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def read(self, tenant_id: str, after: int, since: datetime, count: int) -> Page:
        subject = subject_of(public.SupervisorActed(tenant_id=tenant_id))
        acts: list[Acted] = []
        try:
            async with (
                asyncio.timeout(READ_WITHIN_S),
                aclosing(
                    tail(
                        self._bus,
                        STREAM,
                        subjects=(subject,),
                        after=after,
                        since=None if after else since,
                    )
                ) as batches,
            ):
                async for batch in batches:
                    for one in batch:
                        read = partial(_read, one)
                        act = understood(STREAM, read, sequence=one.sequence)
                        if act is not None:
                            acts.append(act)
                        if len(acts) == count or not one.pending:
                            return Page(acts, one.sequence if one.pending else 0)
                    if not batch:
                        break
        except (Error, TimeoutError, OSError) as silence:
            raise Unknown from silence
        return Page(acts, 0)


def _read(one: Tailed) -> Acted:
    return read_acted(event_in(public.SupervisorActed, one.subject, one.data, one.headers))
