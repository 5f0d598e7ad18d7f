"""A shard's state in the object store, so that recovery folds minutes and not months."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public
from nats.errors import Error
from nats.js.errors import APIError

from services.dispatch.domain.decisions import Reason, Vacated
from services.dispatch.domain.demand import Load
from services.dispatch.domain.estimates import Wait
from services.dispatch.domain.inputs import (
    AgentConfigured,
    GroupConfigured,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    TaskSubmitted,
    TenantConfigured,
)
from services.dispatch.domain.parties import AfterServiceSpan
from services.dispatch.domain.restored import restored
from services.dispatch.domain.state import State
from services.dispatch.domain.tenant import Hours, Kept, Tenant
from services.dispatch.use_cases.ports import Position, Shard, Snapshot, Unknown
from services.kernel.bus import Bus
from services.kernel.unreadable import understood

from .archive import SnapshotArchive
from .inputs import (
    read_group,
    read_queue,
    read_tenant,
    write_group,
    write_queue,
    write_tenant,
)
from .objects import DAMAGED, stored
from .states import (
    Offers,
    Refusals,
    read_agent_state,
    read_hours_state,
    read_pace,
    read_task_state,
    read_vacated,
    write_agent_state,
    write_hours_state,
    write_pace,
    write_task_state,
    write_vacated,
)

BUCKET = "dispatch-snapshots"
BEHIND_ALL = 2**64
SLICE = 200
"""Objects written before others get their turn: a snapshot must not hold an offer up."""

_Agent = tuple[AgentConfigured, PresenceObserved, int, int, dict[str, int]]
_Task = tuple[
    TaskSubmitted,
    int,
    tuple[str, ...],
    Refusals,
    str,
    Offers,
    int,
    int,
    tuple[str, ...],
    AfterServiceSpan | None,
    Wait | None,
    Load,
    str,
    int,
    int,
]


@dataclass(frozen=True, slots=True)
class _Photograph:
    """References to the immutable parts of a state, taken in one go."""

    position: Position
    at: int
    order: int
    tenants: tuple[TenantConfigured, ...]
    queues: tuple[QueueConfigured, ...]
    groups: tuple[GroupConfigured, ...]
    agents: tuple[_Agent, ...]
    tasks: tuple[_Task, ...]
    modes: tuple[tuple[str, str, QueueMode], ...]
    vacated: tuple[Vacated, ...]
    answers: tuple[tuple[str, str, Kept], ...]
    ended: tuple[tuple[str, str, int], ...]
    hours: tuple[Hours, ...]
    last_agents: tuple[tuple[str, str, str, int], ...]
    paces: tuple[wire.PaceState, ...]


class ObjectStoreSnapshots:
    """See the port."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._archive = SnapshotArchive(bus)

    async def load(self, shard: Shard) -> Snapshot:
        newest = True
        async with aclosing(self._kept(shard, BEHIND_ALL, BEHIND_ALL)) as kept:
            async for found in kept:
                if found is not None:
                    return Snapshot(*found, newest)
                newest = False
        return Snapshot(State(), Position(), newest)

    async def before(self, shard: Shard, record: int, at: int) -> tuple[State, Position] | None:
        """Return the last that can be read and is neither behind the record nor the moment."""
        async with aclosing(self._kept(shard, record, at)) as kept:
            async for found in kept:
                if found is not None and found[1].sequence <= record and found[0].at <= at:
                    return found
        return None

    async def saved(self, shard: Shard) -> bytes:
        """Return the last snapshot as it lies in the store; nothing when there is none."""
        return await self._saved(shard) or b""

    async def _saved(self, shard: Shard) -> bytes | None:
        return await stored(self._bus, BUCKET, f"shard-{shard}")

    async def _kept(
        self, shard: Shard, record: int, at: int
    ) -> AsyncGenerator[tuple[State, Position] | None, None]:
        """Yield what is there, last first; None for what cannot be read."""
        if (last := await self._saved(shard)) is not None:
            yield await self._read(last)
        async with aclosing(self._archive.before(shard, record, at)) as kept:
            async for data in kept:
                yield await self._read(data)

    @staticmethod
    async def _read(data: bytes) -> tuple[State, Position] | None:
        # In a thread: this process may lead another shard, whose offers must not wait.
        read = partial(read_snapshot, data)
        return None if data == DAMAGED else await asyncio.to_thread(understood, BUCKET, read)

    def save(self, shard: Shard, state: State, position: Position) -> Coroutine[Any, Any, None]:
        return self._put(shard, _photograph(state, position))

    async def _put(self, shard: Shard, photograph: _Photograph) -> None:
        data = bytearray()
        for piece in _pieces(photograph):
            data += piece.SerializeToString()
            await asyncio.sleep(0)
        try:
            store = await self._bus.js.object_store(BUCKET)
            await store.put(f"shard-{shard}", bytes(data))
        except (Error, APIError, TimeoutError, OSError) as silence:
            raise Unknown from silence
        await self._archive.keep(shard, photograph.position, photograph.at, bytes(data))


def write_snapshot(state: State, position: Position) -> bytes:
    return b"".join(piece.SerializeToString() for piece in _pieces(_photograph(state, position)))


def read_snapshot(data: bytes) -> tuple[State, Position]:
    message = wire.Snapshot.FromString(data)
    tenants: dict[str, Tenant] = {}

    def tenant(tenant_id: str) -> Tenant:
        return tenants.setdefault(tenant_id, Tenant(tenant_id))

    _read_settings(message, tenant)
    for agent_state in message.agents:
        agent = read_agent_state(agent_state)
        tenant(agent.tenant_id).agents[agent.id] = agent
    for task_state in message.tasks:
        task = read_task_state(task_state, message.at_ms)
        tenant(task.submitted.tenant_id).tasks[task.submitted.task_id] = task
    for answered, at in zip(message.answers, message.answered_at_ms, strict=True):
        answer = Kept(Reason(answered.reason), answered.count, at, answered.fingerprint)
        tenant(answered.tenant_id).answers[answered.request_id] = answer
    for ended in message.ended:
        tenant(ended.tenant_id).ended[ended.task_id] = ended.ended_at_ms
    for hours_state in message.hours:
        hours = read_hours_state(hours_state)
        tenant(hours.openings.tenant_id).hours[hours.openings.queue_id] = hours
    for last in message.last_agents:
        tenant(last.tenant_id).last_agents.remember(last.contact_id, last.agent_id, last.at_ms)
    for pace in message.paces:
        tenant(pace.tenant_id).paces[pace.queue_id] = read_pace(pace)
    position = Position(
        message.journal_sequence, message.input_cursor, message.chain, message.emitted
    )
    return restored(tenants, message.at_ms, message.order), position


def _read_settings(message: wire.Snapshot, tenant: Callable[[str], Tenant]) -> None:
    for tenant_set in message.tenants:
        settings = read_tenant(tenant_set.tenant_id, tenant_set.tenant)
        tenant(settings.tenant_id).settings = settings
    for queue_set in message.queues:
        queue = read_queue(queue_set.tenant_id, queue_set.queue)
        tenant(queue.tenant_id).queues[queue.queue_id] = queue
    for group_set in message.groups:
        group = read_group(group_set.tenant_id, group_set.group)
        tenant(group.tenant_id).groups.configure(group)
    for mode in message.modes:
        tenant(mode.tenant_id).modes[mode.queue_id] = QueueMode(mode.mode)
    for gone in map(read_vacated, message.vacated):
        tenant(gone.tenant_id).vacated[gone.queue_id, gone.group_id] = gone


def _photograph(state: State, position: Position) -> _Photograph:
    tenants = tuple(state.tenants.values())
    return _Photograph(
        position=position,
        at=state.at,
        order=state.order,
        tenants=tuple(tenant.settings for tenant in tenants if tenant.settings.version),
        queues=tuple(queue for tenant in tenants for queue in tenant.queues.values()),
        groups=tuple(group for tenant in tenants for group in tenant.groups.configured.values()),
        agents=tuple(
            (agent.config, agent.presence, agent.idle_since, agent.idle_order, dict(agent.turns))
            for tenant in tenants
            for agent in tenant.agents.values()
        ),
        tasks=tuple(
            (
                task.submitted,
                task.revision,
                task.excluded,
                tuple(sorted(task.refused.items())),
                task.agent_id,
                tuple(sorted(task.offers.items())),
                task.priority,
                task.waits_since,
                task.overflowed,
                task.after_service,
                task.wait,
                task.load,
                task.kept_for,
                task.kept_until,
                task.relaxed,
            )
            for tenant in tenants
            for task in tenant.tasks.values()
        ),
        modes=tuple(
            (tenant.id, queue_id, mode)
            for tenant in tenants
            for queue_id, mode in tenant.modes.items()
        ),
        vacated=tuple(gone for tenant in tenants for gone in tenant.vacated.values()),
        answers=tuple(
            (tenant.id, request_id, answer)
            for tenant in tenants
            for request_id, answer in tenant.answers.items()
        ),
        ended=tuple(
            (tenant.id, task_id, at) for tenant in tenants for task_id, at in tenant.ended.items()
        ),
        hours=tuple(hours for tenant in tenants for hours in tenant.hours.values()),
        last_agents=tuple((tenant.id, *last) for tenant in tenants for last in tenant.last_agents),
        paces=tuple(
            write_pace(tenant.id, queue_id, pace)
            for tenant in tenants
            for queue_id, pace in tenant.paces.items()
        ),
    )


def _pieces(photograph: _Photograph) -> Iterator[wire.Snapshot]:
    """Yield snapshots of which the concatenated bytes are the whole one."""
    position = photograph.position
    yield wire.Snapshot(
        journal_sequence=position.sequence,
        input_cursor=position.cursor,
        chain=position.chain,
        emitted=position.emitted,
        at_ms=photograph.at,
        order=photograph.order,
    )
    for settings in _slices(photograph.tenants):
        yield wire.Snapshot(
            tenants=[
                wire.TenantSet(tenant_id=tenant.tenant_id, tenant=write_tenant(tenant))
                for tenant in settings
            ]
        )
    yield from _of_queues(photograph)
    for groups in _slices(photograph.groups):
        yield wire.Snapshot(
            groups=[
                wire.GroupSet(tenant_id=group.tenant_id, group=write_group(group))
                for group in groups
            ]
        )
    for agents in _slices(photograph.agents):
        yield wire.Snapshot(agents=[write_agent_state(*agent) for agent in agents])
    for tasks in _slices(photograph.tasks):
        yield wire.Snapshot(tasks=[write_task_state(*task) for task in tasks])
    for answers in _slices(photograph.answers):
        yield wire.Snapshot(
            answers=[
                wire.Answered(
                    tenant_id=tenant_id,
                    request_id=request_id,
                    reason=answer.reason,
                    count=answer.count,
                    fingerprint=answer.fingerprint,
                )
                for tenant_id, request_id, answer in answers
            ],
            answered_at_ms=[answer.at for *_, answer in answers],
        )
    for ended in _slices(photograph.ended):
        yield wire.Snapshot(
            ended=[
                wire.EndedTask(tenant_id=tenant_id, task_id=task_id, ended_at_ms=at)
                for tenant_id, task_id, at in ended
            ]
        )
    for last_agents in _slices(photograph.last_agents):
        yield wire.Snapshot(
            last_agents=[
                wire.LastAgent(
                    tenant_id=tenant_id, contact_id=contact_id, agent_id=agent_id, at_ms=at
                )
                for tenant_id, contact_id, agent_id, at in last_agents
            ]
        )


def _of_queues(photograph: _Photograph) -> Iterator[wire.Snapshot]:
    for queues in _slices(photograph.queues):
        yield wire.Snapshot(
            queues=[
                wire.QueueSet(tenant_id=queue.tenant_id, queue=write_queue(queue))
                for queue in queues
            ]
        )
    for modes in _slices(photograph.modes):
        yield wire.Snapshot(
            modes=[
                wire.QueueModeSet(
                    tenant_id=tenant_id, queue_id=queue_id, mode=public.QueueMode.ValueType(mode)
                )
                for tenant_id, queue_id, mode in modes
            ]
        )
    for vacated in _slices(photograph.vacated):
        yield wire.Snapshot(vacated=map(write_vacated, vacated))
    for hours in _slices(photograph.hours):
        yield wire.Snapshot(hours=[write_hours_state(it) for it in hours])
    for paces in _slices(photograph.paces):
        yield wire.Snapshot(paces=paces)


def _slices(of: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(of)
    while some := list(islice(rest, SLICE)):
        yield some
