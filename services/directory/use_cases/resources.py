"""Queues, groups and channel accounts."""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from services.directory.domain import fields, overflow
from services.directory.domain.channel_account import ChannelAccount
from services.directory.domain.errors import (
    ChannelAccountNotFound,
    Stale,
    UnknownGroup,
    UnknownQueue,
    UnknownUser,
)
from services.directory.domain.group import Group
from services.directory.domain.queue import Queue
from services.directory.domain.slot import Slot
from services.directory.domain.user import User
from services.kernel.again import again_if
from services.kernel.clock import Clock

from .ports import Shelf
from .shelves import filled, put

T = TypeVar("T")


class PutQueue:
    """Refused when tasks would overflow from queue to queue and come back.

    Two queues that are put at the same moment can still make such a cycle, each before the other
    is there. It does no harm: the router ends a task where it would come back, and the next put of
    either queue is refused until one of them leads elsewhere.
    """

    def __init__(self, queues: Shelf[Queue], groups: Shelf[Group]) -> None:
        self._queues = queues
        self._groups = groups

    async def __call__(self, slot: Slot[Queue], *, version: int = 0) -> Slot[Queue]:
        fields.slug("queue.queue_id", slot.id)
        queue = _held(slot).checked()
        queue.check_leads_on(slot.id)
        for field, queue_id in queue.next_queues:
            if await self._queues.missing(slot.tenant_id, [queue_id]):
                raise UnknownQueue("Put the queue first.", field=field, queueId=queue_id)
        for field, group_id in queue.next_groups:
            if await self._groups.missing(slot.tenant_id, [group_id]):
                raise UnknownGroup("Put the group first.", field=field, groupId=group_id)
        overflow.check_ends(slot.id, await self._leads_to(slot.tenant_id, slot.id, queue))
        return await put(self._queues, slot.tenant_id, slot.id, version, lambda _: queue)

    async def _leads_to(
        self, tenant_id: str, queue_id: str, queue: Queue
    ) -> dict[str, tuple[str, ...]]:
        """Return the next queues of this one as it is to be, and of all that follow it."""
        known: dict[str, tuple[str, ...]] = {queue_id: queue.next_queue_ids}
        ahead = [*known[queue_id]]
        while ahead:
            if (key := ahead.pop()) not in known:
                there = (await self._queues.at(tenant_id, key)).value
                known[key] = there.next_queue_ids if there else ()
                ahead += known[key]
        return known


class PutGroup:
    def __init__(self, groups: Shelf[Group], users: Shelf[User]) -> None:
        self._groups = groups
        self._users = users

    async def __call__(self, slot: Slot[Group], *, version: int = 0) -> Slot[Group]:
        fields.slug("group.group_id", slot.id)
        group = _held(slot).checked()
        unknown = await self._users.missing(slot.tenant_id, group.user_ids)
        if unknown:
            raise UnknownUser("Put the user first.", field="group.user_ids", userId=unknown[0])
        return await put(self._groups, slot.tenant_id, slot.id, version, lambda _: group)


class PutChannelAccount:
    def __init__(
        self,
        accounts: Shelf[ChannelAccount],
        queues: Shelf[Queue],
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._queues = queues
        self._clock = clock

    async def __call__(
        self, slot: Slot[ChannelAccount], *, version: int = 0
    ) -> Slot[ChannelAccount]:
        """Write the account. A new one gets a secret; one that is there keeps its own."""
        fields.slug("channel_account.channel_account_id", slot.id)
        account = _held(slot).checked()
        unknown = await self._queues.missing(slot.tenant_id, [account.queue_id])
        if unknown:
            raise UnknownQueue(
                "Put the queue first.", field="channel_account.queue_id", queueId=unknown[0]
            )

        def decide(before: ChannelAccount | None) -> ChannelAccount:
            if before is not None:
                return replace(account, secrets=before.secrets)
            return account.with_new_secret(new_secret(), self._clock(), timedelta())

        return await put(self._accounts, slot.tenant_id, slot.id, version, decide)


class RotateSecret:
    def __init__(self, accounts: Shelf[ChannelAccount], clock: Clock, overlap: timedelta) -> None:
        self._accounts = accounts
        self._clock = clock
        self._overlap = overlap

    @again_if(Stale)
    async def __call__(self, tenant_id: str, account_id: str) -> str:
        """Return the new secret; the one before it stays good for the overlap."""
        fields.slug("channel_account_id", account_id)
        before = filled(await self._accounts.at(tenant_id, account_id), ChannelAccountNotFound)
        secret = new_secret()
        account = _held(before).with_new_secret(secret, self._clock(), self._overlap)
        await self._accounts.save(before.holding(account))
        return secret


class ResolveChannelAccount:
    def __init__(self, accounts: Shelf[ChannelAccount], clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock

    async def __call__(
        self, tenant_id: str, account_id: str
    ) -> tuple[Slot[ChannelAccount], tuple[str, ...]]:
        """Return the account and the secrets that are good now, newest first."""
        fields.tenant_slug("tenant_id", tenant_id)
        fields.slug("channel_account_id", account_id)
        slot = filled(await self._accounts.at(tenant_id, account_id), ChannelAccountNotFound)
        return slot, _held(slot).good_secrets(self._clock())


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def _held(slot: Slot[T]) -> T:
    if slot.value is None:
        raise ValueError("The slot is empty.")
    return slot.value
