"""How things stand: asked of whoever leads, and answered from the state.

Who asks needs no answer that lasts: it goes over core NATS, and there is no record of it.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1.dispatch_service_pb2 import (
    CheckTasksRequest,
    CheckTasksResponse,
    ListChatTasksRequest,
    ListChatTasksResponse,
)
from centralita.dispatch.v1.events_pb2 import QueueMode as QueueModeMessage
from google.protobuf.message import DecodeError, Message
from nats.aio.msg import Msg
from nats.errors import Error

from services.dispatch.domain.decisions import Reason
from services.dispatch.domain.estimates import Estimate
from services.dispatch.domain.inputs import QueueMode, Role
from services.dispatch.domain.removal import WorkCount
from services.dispatch.domain.state import State
from services.dispatch.messages import write_checked
from services.dispatch.use_cases.ports import Millis, Shard, Unknown
from services.dispatch.use_cases.queues import Asker, QueueStatus, status
from services.dispatch.use_cases.removal import work_in
from services.dispatch.use_cases.tasks import Checked, Written, checked
from services.dispatch.use_cases.waits import ExpectedWait, expected_wait
from services.kernel.bus import Bus

from .commands import rank
from .logs import shard_of

ANSWER_WITHIN_S = 1.0

_Asked = (
    wire.WaitAsked | wire.QueueAsked | wire.WorkAsked | CheckTasksRequest | ListChatTasksRequest
)
_WAIT, _QUEUE, _WORK = "dispatch.wait", "dispatch.queue", "dispatch.work"
_TASKS, _CHATS = "dispatch.tasks", "dispatch.chats"


class AnswerQuestions:
    """A duty of the leader: say from its state how tasks and queues stand."""

    def __init__(self, bus: Bus, clock: Millis) -> None:
        self._bus = bus
        self._clock = clock

    @asynccontextmanager
    async def __call__(self, shard: Shard, state: State) -> AsyncIterator[None]:
        written = Written(state)

        def wait(data: bytes) -> wire.WaitTold:
            it = wire.WaitAsked.FromString(data)
            return _write_wait(expected_wait(state, it.tenant_id, it.task_id, self._clock()))

        def queue(data: bytes) -> wire.QueueTold:
            it = wire.QueueAsked.FromString(data)
            asker = Asker(it.actor_id, Role(it.actor_role))
            return _write_status(status(state, it.tenant_id, it.queue_id, asker, self._clock()))

        def work(data: bytes) -> wire.WorkTold:
            it = wire.WorkAsked.FromString(data)
            found = work_in(state, it.tenant_id, it.queue_id, it.group_id)
            return wire.WorkTold(
                waiting=found.waiting, ringing=found.ringing, in_service=found.in_service
            )

        def tasks(data: bytes) -> CheckTasksResponse:
            it = CheckTasksRequest.FromString(data)
            return write_checked(checked(state, it.tenant_id, it.task_ids))

        def listed(data: bytes) -> ListChatTasksResponse:
            it = ListChatTasksRequest.FromString(data)
            found = written.page(it.tenant_id, it.after_task_id, it.page_size)
            return ListChatTasksResponse(task_ids=found)

        async with (
            self._answering(f"{_WAIT}.{shard}", wait),
            self._answering(f"{_QUEUE}.{shard}", queue),
            self._answering(f"{_WORK}.{shard}", work),
            self._answering(f"{_TASKS}.{shard}", tasks),
            self._answering(f"{_CHATS}.{shard}", listed),
        ):
            yield

    @asynccontextmanager
    async def _answering(
        self, subject: str, answer: Callable[[bytes], Message]
    ) -> AsyncIterator[None]:
        async def respond(asked: Msg) -> None:
            with suppress(DecodeError, Error, OSError):  # who asked will ask again
                await asked.respond(answer(asked.data).SerializeToString())

        subscription = await self._bus.nc.subscribe(subject, cb=respond)
        try:
            yield
        finally:
            with suppress(Error, OSError):
                await subscription.unsubscribe()


class AskLeader:
    """See the ports."""

    def __init__(self, bus: Bus, shards: int) -> None:
        self._bus = bus
        self._shards = shards

    async def wait(self, tenant_id: str, task_id: str) -> ExpectedWait | None:
        asked = wire.WaitAsked(tenant_id=tenant_id, task_id=task_id)
        return _read_wait(wire.WaitTold.FromString(await self._ask(_WAIT, asked)))

    async def queue(self, tenant_id: str, queue_id: str, asker: Asker) -> QueueStatus | Reason:
        asked = wire.QueueAsked(
            tenant_id=tenant_id,
            queue_id=queue_id,
            actor_id=asker.user_id,
            actor_role=rank(asker.role),
        )
        return _read_status(wire.QueueTold.FromString(await self._ask(_QUEUE, asked)))

    async def work(self, tenant_id: str, queue_id: str, group_id: str) -> WorkCount:
        asked = wire.WorkAsked(tenant_id=tenant_id, queue_id=queue_id, group_id=group_id)
        it = wire.WorkTold.FromString(await self._ask(_WORK, asked))
        return WorkCount(it.waiting, it.ringing, it.in_service)

    async def check(self, tenant_id: str, task_ids: Sequence[str]) -> Checked:
        asked = CheckTasksRequest(tenant_id=tenant_id, task_ids=task_ids)
        it = CheckTasksResponse.FromString(await self._ask(_TASKS, asked))
        ended = {one.task_id: one.ended_at.ToMilliseconds() for one in it.ended}
        return Checked(it.unknown_task_ids, ended)

    async def chats(self, tenant_id: str, after: str, most: int) -> Sequence[str]:
        asked = ListChatTasksRequest(tenant_id=tenant_id, after_task_id=after, page_size=most)
        return ListChatTasksResponse.FromString(await self._ask(_CHATS, asked)).task_ids

    async def _ask(self, about: str, asked: _Asked) -> bytes:
        subject = f"{about}.{shard_of(asked.tenant_id, self._shards)}"
        try:
            answer = await self._bus.nc.request(
                subject, asked.SerializeToString(), timeout=ANSWER_WITHIN_S
            )
        except (Error, TimeoutError, OSError) as silence:
            raise Unknown from silence
        return answer.data


def _write_wait(found: ExpectedWait | None) -> wire.WaitTold:
    if found is None:
        return wire.WaitTold(unknown=True)
    p50, p90 = _write_estimate(found.foretold)
    return wire.WaitTold(position=found.position, p50_ms=p50, p90_ms=p90)


def _read_wait(it: wire.WaitTold) -> ExpectedWait | None:
    return None if it.unknown else ExpectedWait(it.position, _read_estimate(it))


def _write_status(found: QueueStatus | Reason) -> wire.QueueTold:
    if isinstance(found, Reason):
        return wire.QueueTold(reason=found)
    p50, p90 = _write_estimate(found.foretold)
    return wire.QueueTold(
        mode=QueueModeMessage.ValueType(found.mode),
        open=found.is_open,
        turns_at_ms=found.turns_at,
        waiting=found.waiting,
        first_since_ms=found.first_since,
        agents_there=found.agents_there,
        p50_ms=p50,
        p90_ms=p90,
    )


def _read_status(it: wire.QueueTold) -> QueueStatus | Reason:
    if it.reason:
        return Reason(it.reason)
    return QueueStatus(
        QueueMode(it.mode),
        it.open,
        it.turns_at_ms,
        it.waiting,
        it.first_since_ms,
        it.agents_there,
        _read_estimate(it),
    )


def _write_estimate(foretold: Estimate | None) -> tuple[int, int]:
    return (round(foretold.p50), round(foretold.p90)) if foretold is not None else (0, 0)


def _read_estimate(it: wire.WaitTold | wire.QueueTold) -> Estimate | None:
    return Estimate(it.p50_ms, it.p90_ms) if it.p90_ms else None
