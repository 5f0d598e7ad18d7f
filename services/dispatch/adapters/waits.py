"""How long a task will wait: asked of whoever leads, and answered from the state.

Who asks needs no answer that lasts: it goes over core NATS, and there is no record of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error

from services.dispatch.domain.estimates import Estimate
from services.dispatch.domain.state import State
from services.dispatch.use_cases.ports import Millis, Shard, Unknown
from services.dispatch.use_cases.waits import Told, told
from services.kernel.bus import Bus

from .logs import shard_of

ANSWER_WITHIN_S = 1.0


class AnswerWaits:
    """A duty of the leader: say from its state how long a task will wait."""

    def __init__(self, bus: Bus, clock: Millis) -> None:
        self._bus = bus
        self._clock = clock

    @asynccontextmanager
    async def __call__(self, shard: Shard, state: State) -> AsyncIterator[None]:
        async def answer(asked: Msg) -> None:
            with suppress(DecodeError, Error, OSError):  # who asked will ask again
                it = wire.WaitAsked.FromString(asked.data)
                found = told(state, it.tenant_id, it.task_id, self._clock())
                await asked.respond(_write_told(found).SerializeToString())

        subscription = await self._bus.nc.subscribe(f"dispatch.wait.{shard}", cb=answer)
        try:
            yield
        finally:
            with suppress(Error, OSError):
                await subscription.unsubscribe()


class AskLeader:
    """See the port."""

    def __init__(self, bus: Bus, shards: int) -> None:
        self._bus = bus
        self._shards = shards

    async def wait(self, tenant_id: str, task_id: str) -> Told | None:
        asked = wire.WaitAsked(tenant_id=tenant_id, task_id=task_id).SerializeToString()
        subject = f"dispatch.wait.{shard_of(tenant_id, self._shards)}"
        try:
            answer = await self._bus.nc.request(subject, asked, timeout=ANSWER_WITHIN_S)
        except (Error, TimeoutError, OSError) as silence:
            raise Unknown from silence
        return _read_told(wire.WaitTold.FromString(answer.data))


def _write_told(found: Told | None) -> wire.WaitTold:
    if found is None:
        return wire.WaitTold(unknown=True)
    foretold = found.foretold or Estimate(0, 0)
    return wire.WaitTold(
        position=found.position, p50_ms=round(foretold.p50), p90_ms=round(foretold.p90)
    )


def _read_told(told: wire.WaitTold) -> Told | None:
    if told.unknown:
        return None
    return Told(told.position, Estimate(told.p50_ms, told.p90_ms) if told.p90_ms else None)
