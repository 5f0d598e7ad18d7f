"""What presence does when the bus speaks, and when nobody does.

Work comes by durable consumers. Every replica needs every lease and every presence, so each tails
both.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Protocol

from centralita.directory.v1.events_pb2 import SessionEnded, UserChanged
from centralita.directory.v1.resources_pb2 import TASK_CHANNEL_CALL
from centralita.dispatch.v1.events_pb2 import (
    AfterServiceStarted,
    OfferEnd,
    OfferEnded,
    TaskAssigned,
    TaskCompleted,
    TaskOffered,
    TaskQueued,
)
from centralita.presence.v1.events_pb2 import PresenceChanged
from faststream.nats import NatsRouter

from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.consume import consumer
from services.kernel.ending import ended
from services.kernel.standing import HeardStanding
from services.kernel.tail import heard, tail
from services.kernel.unreadable import understood

from .domain.bans import Refusal
from .domain.leases import Key
from .domain.presence import Presence
from .domain.status import Cause, Stage
from .messages import LEASES, SESSION, is_end, is_goodbye, lease_of
from .use_cases.devices import EndUser
from .use_cases.watching import Watchman
from .use_cases.working import CountRefusals, FollowCalls

log = logging.getLogger(__name__)

TICK = 0.2
"""Seconds between two looks at who is due, and between two sendings of renewals: together well
within the second in which a lost lease is to be noticed."""
COOLING = 1.0
"""Seconds between two looks at which bans are over."""

STREAM = "DISPATCH"
CALLS = {"channel": TASK_CHANNEL_CALL}

Told = TaskOffered | OfferEnded | TaskAssigned | AfterServiceStarted | TaskCompleted | TaskQueued

REFUSALS = {
    OfferEnd.OFFER_END_DECLINED: Cause.OFFER_DECLINED,
    OfferEnd.OFFER_END_TIMED_OUT: Cause.OFFER_IGNORED,
}
"""The ends of an offer that are the agent's doing."""

BLAMELESS = {
    OfferEnd.OFFER_END_UNREACHABLE: Cause.DEVICE_UNREACHABLE,
    OfferEnd.OFFER_END_CALLER_GAVE_UP: Cause.CALLER_GAVE_UP,
}
"""Those that are not, and are told: any other is work that went on elsewhere, or was called off."""


def handlers(calls: FollowCalls, refusals: CountRefusals, end_user: EndUser) -> NatsRouter:
    """Calls show on the badge. Of other work only offers that are let pass matter."""
    router = NatsRouter()
    _offers(router, calls, refusals)
    _work(router, calls, refusals)
    _users(router, end_user)
    return router


def _users(router: NatsRouter, end_user: EndUser) -> None:
    @router.subscriber(**consumer(UserChanged, stream="DIRECTORY", durable="presence-user-changed"))
    async def user_changed(event: UserChanged) -> None:
        """A user was removed; the event of one made again may have overwritten the removal."""
        removal = event.version if event.removed else event.incarnation - 1
        if removal > 0:
            await end_user((event.tenant_id, event.user_id), removal)


def _offers(router: NatsRouter, calls: FollowCalls, refusals: CountRefusals) -> None:
    @router.subscriber(
        **consumer(TaskOffered, stream=STREAM, durable="presence-task-offered", where=CALLS)
    )
    async def task_offered(event: TaskOffered) -> None:
        """A call rings."""
        await calls(_task(event), lambda it: it.rung(event.revision, event.agent_id))

    @router.subscriber(**consumer(OfferEnded, stream=STREAM, durable="presence-offer-ended"))
    async def offer_ended(event: OfferEnded) -> None:
        """It rings no more; perhaps because the agent let it pass."""
        cause = REFUSALS.get(event.end)
        refusal = Refusal(f"{event.task_id}:{event.revision}", cause) if cause else None
        if event.channel == TASK_CHANNEL_CALL:
            why = refusal or BLAMELESS.get(event.end, Cause.WORK)
            await calls.rings_no_more(_task(event), event.agent_id, event.revision, why)
        elif refusal is not None:
            await refusals.refused((event.tenant_id, event.agent_id), refusal)


def _work(router: NatsRouter, calls: FollowCalls, refusals: CountRefusals) -> None:
    async def has_call(event: TaskAssigned | AfterServiceStarted, stage: Stage) -> None:
        await calls(_task(event), lambda it: it.held(event.revision, event.agent_id, stage))

    @router.subscriber(**consumer(TaskAssigned, stream=STREAM, durable="presence-task-assigned"))
    async def task_assigned(event: TaskAssigned) -> None:
        """An agent has it: accepted, unless somebody else assigned it."""
        if event.channel == TASK_CHANNEL_CALL:
            await has_call(event, Stage.IN_SERVICE)
        if not event.assigned_by:
            await refusals.accepted((event.tenant_id, event.agent_id))

    @router.subscriber(
        **consumer(
            AfterServiceStarted,
            stream=STREAM,
            durable="presence-after-service-started",
            where=CALLS,
        )
    )
    async def after_service_started(event: AfterServiceStarted) -> None:
        """The call is over, the agent finishes its work."""
        await has_call(event, Stage.AFTER_SERVICE)

    @router.subscriber(
        **consumer(TaskCompleted, stream=STREAM, durable="presence-task-completed", where=CALLS)
    )
    async def task_completed(event: TaskCompleted) -> None:
        """All is done."""
        await calls(_task(event), lambda it: it.let_go(event.revision))

    @router.subscriber(
        **consumer(TaskQueued, stream=STREAM, durable="presence-task-queued", where=CALLS)
    )
    async def task_queued(event: TaskQueued) -> None:
        """Whoever had it has it no longer. The first word about a task ends nothing."""
        if event.revision > 1:
            await calls(_task(event), lambda it: it.let_go(event.revision))


def _task(event: Told) -> Key:
    return event.tenant_id, event.task_id


class Known(Protocol):
    """What this replica knows of presences."""

    def remember(self, it: Presence) -> None: ...

    def heard(self, user: Key, version: int) -> bool:
        """Forget what is older than this version; tell whether the version itself is not older."""
        ...

    async def connected(self) -> Sequence[Presence]: ...


@asynccontextmanager
async def keeping_watch(
    bus: Bus,
    watchman: Watchman,
    presences: Known,
    send_renewals: Callable[[], Awaitable[None]],
    standing: HeardStanding,
) -> AsyncIterator[None]:
    """Follow leases and presences, and disconnect whoever is gone.

    Whoever the store says is connected gets a lease of grace first: while no replica ran, nobody
    could renew.
    """
    for one in await presences.connected():
        presences.remember(one)
        watchman.heard_of((one.tenant_id, one.user_id), connected=True)

    def session_ended(event: SessionEnded) -> None:
        watchman.session_ended((event.tenant_id, event.user_id), event.session_id)

    standing.on_session_ended(session_ended)
    with bus.on_resume(watchman.sees_again):
        async with asyncio.TaskGroup() as tasks:  # a reader that fails takes the service with it
            watching = [
                tasks.create_task(_follow_leases(bus, watchman)),
                tasks.create_task(_follow_presences(bus, watchman, presences)),
                tasks.create_task(_sweep(bus, watchman, send_renewals)),
            ]
            try:
                yield
            finally:
                await ended(*watching)
                await send_renewals()


async def _follow_leases(bus: Bus, watchman: Watchman) -> None:
    async with aclosing(tail(bus, LEASES, last_per_subject=True)) as batches:
        async for batch in batches:
            now = utc_now()
            for one in batch:
                lease = understood(LEASES, partial(lease_of, one.subject), sequence=one.sequence)
                if lease is None:
                    continue
                user, device_id = lease
                if not one.headers or not is_end(one.headers):
                    session_id = one.headers.get(SESSION, "")
                    watchman.heard(user, device_id, (now - one.at).total_seconds(), session_id)
                elif is_goodbye(one.headers):
                    watchman.heard_goodbye(user, device_id)


async def _follow_presences(bus: Bus, watchman: Watchman, presences: Known) -> None:
    async with aclosing(tail(bus, "PRESENCE", last_per_subject=True)) as batches:
        async for batch in batches:
            for one in batch:
                it = heard(PresenceChanged, "PRESENCE", one)
                if it is None:
                    continue
                user = (it.tenant_id, it.user_id)
                if presences.heard(user, it.version):
                    watchman.heard_of(user, connected=it.connected)


async def _sweep(
    bus: Bus, watchman: Watchman, send_renewals: Callable[[], Awaitable[None]]
) -> None:
    while True:
        await asyncio.sleep(TICK)
        await send_renewals()
        if not bus.nc.is_connected:
            watchman.blind()
            continue
        try:
            await watchman.sweep()
        except Exception:  # the store is out, say: whoever is due comes up again
            log.exception("not everyone who is due was settled")


async def end_bans(sweep: Callable[[], Awaitable[None]]) -> None:
    """Look each second for bans that end by themselves, whatever became of it the last time."""
    while True:
        await asyncio.sleep(COOLING)
        try:
            await sweep()
        except Exception:  # the store is out, say: what is due then is due still
            log.exception("not every ban that is over was ended")
