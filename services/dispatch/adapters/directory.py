"""What the directory has said last, read at its stream.

Events take a moment to the router. Whoever uses what was put just before should not be refused for
that, so before a refusal that rests on it the router is told what was said in the last moments.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import cast

from centralita.directory.v1.events_pb2 import (
    GroupChanged,
    PresencePolicyChanged,
    QueueChanged,
    UserChanged,
)
from nats.errors import Error
from nats.js.errors import APIError

from services.dispatch.configured import Configured, facts_of
from services.dispatch.domain.configuration import Configuration
from services.dispatch.use_cases.ports import Intake, Shard, Unknown
from services.kernel.bus import Bus
from services.kernel.projection import said_lately
from services.kernel.tail import Tailed, tail, until_now
from services.kernel.unreadable import understood
from services.kernel.wire import event_in, filter_for

from .inputs import decode_input, encode_input
from .logs import shard_of

STREAM = "DIRECTORY"
AT_ONCE = 100
_KINDS: dict[str, type[Configured]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (QueueChanged, GroupChanged, UserChanged, PresencePolicyChanged)
}


class JetStreamDirectory:
    """See the port."""

    def __init__(self, bus: Bus, intake: Intake, shards: int) -> None:
        self._bus, self._intake, self._shards = bus, intake, shards

    async def tell_news(self, tenant_id: str) -> bool:
        """Tell the router what is recent; the same twice changes nothing."""
        said = await said_lately(self._bus, STREAM, _KINDS.values(), tenant_id)
        told = False
        try:
            for fact, dedup_id in _read(said):
                await self._intake.append(fact, dedup_id)
                told = True
        except Unknown:
            pass  # who was refused hears so, and may come again
        return told

    async def configuration(self, shard: Shard) -> AsyncGenerator[list[Configuration], None]:
        subjects = [filter_for(kind) for kind in _KINDS.values()]
        reading = tail(self._bus, STREAM, subjects=subjects, last_per_subject=True)
        try:
            async with aclosing(until_now(reading)) as batches:
                async for said in batches:
                    mine = _read(one for one in said if self._shard_of(one) == shard)
                    while some := [_again(fact) for fact, _ in islice(mine, AT_ONCE)]:
                        yield some
        except (Error, APIError, OSError, TimeoutError) as silence:
            raise Unknown from silence

    def _shard_of(self, said: Tailed) -> Shard:
        _, tenant_id, *_ = said.subject.split(".")
        return shard_of(tenant_id, self._shards)


def _read(said: Iterable[Tailed]) -> Iterator[tuple[Configuration, str]]:
    """Yield what it tells the router, each fact with its id in the input log."""
    for one in said:
        facts = understood(STREAM, partial(_facts, one), sequence=one.sequence)
        yield from facts or ()


def _facts(said: Tailed) -> list[tuple[Configuration, str]]:
    kind = _KINDS[said.headers["ce-type"]]
    event = event_in(kind, said.subject, said.data, said.headers)
    return list(facts_of(event, said.headers["ce-id"]))


def _again(fact: Configuration) -> Configuration:
    """Return a fact as the router reads it when it is told again."""
    return cast(Configuration, decode_input(encode_input(replace(fact, again=True))))
