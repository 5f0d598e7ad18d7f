"""A recorder that stands in for a use case behind declared handlers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from centralita.directory.v1.resources_pb2 import TASK_CHANNEL_CHAT, TaskChannel
from centralita.dispatch.v1.events_pb2 import TaskQueued
from faststream.nats import NatsRouter

from services.kernel.bus import Bus
from services.kernel.consume import EventMeta, consumer, meta
from services.kernel.ids import new_id
from services.kernel.wire import outgoing

STREAM, DURABLE = "DISPATCH", "tests-record-task"


@dataclass
class Recorder:
    """Notes each delivery, then does what `then` says."""

    then: Callable[[TaskQueued], Awaitable[None]] | None = None
    began: list[tuple[str, float]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    metas: list[EventMeta] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    async def __call__(self, event: TaskQueued) -> None:
        self.began.append((event.task_id, asyncio.get_running_loop().time()))
        self.metas.append(meta())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.then is not None:
                await self.then(event)
        finally:
            self.running -= 1
        self.done.append(event.task_id)

    def router(self, **rules: Any) -> NatsRouter:
        """Declare this recorder for TaskQueued."""
        router = NatsRouter()

        @router.subscriber(  # type: ignore[untyped-decorator] # FastStream's overloads end here
            **consumer(TaskQueued, stream=STREAM, durable=DURABLE, **rules)
        )
        async def record_task(event: TaskQueued) -> None:
            await self(event)

        return router


async def queue_task(
    bus: Bus,
    tenant: str,
    task: str = "task-1",
    event_id: str = "",
    channel: TaskChannel.ValueType = TASK_CHANNEL_CHAT,
) -> bool:
    """Publish a TaskQueued; tell whether the stream had it already."""
    event = TaskQueued(
        tenant_id=tenant, task_id=task, revision=1, queue_id="sales", channel=channel
    )
    return await bus.publish(outgoing(event, event_id=event_id or new_id(), at=datetime.now(UTC)))
