"""What an installation begins with: created where it is missing, and never touched again."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from services.directory.domain.channel_account import ChannelAccount
from services.directory.domain.errors import EmailTaken, Stale
from services.directory.domain.group import Group
from services.directory.domain.presence_policy import PresencePolicy
from services.directory.domain.queue import Queue
from services.directory.domain.slot import Slot
from services.directory.domain.tenant import Tenant
from services.directory.domain.user import Password, User
from services.kernel.ids import new_id

from .ports import Passwords, Shelf

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TenantSeed:
    """One tenant, checked. Every reference leads to something in the same seed."""

    tenant_id: str
    tenant: Tenant
    queues: Mapping[str, Queue] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    plain_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    groups: Mapping[str, Group] = field(default_factory=dict)
    accounts: Mapping[str, ChannelAccount] = field(default_factory=dict)
    presence_policy: PresencePolicy | None = None


@dataclass(frozen=True, slots=True)
class Shelves:
    tenants: Shelf[Tenant]
    users: Shelf[User]
    queues: Shelf[Queue]
    groups: Shelf[Group]
    accounts: Shelf[ChannelAccount]
    policies: Shelf[PresencePolicy]


class ApplySeed:
    """What people have changed or removed since stays as they left it: its key is known."""

    def __init__(self, shelves: Shelves, passwords: Passwords) -> None:
        self._shelves = shelves
        self._passwords = passwords

    async def __call__(self, seed: TenantSeed) -> int:
        """Return how much was created; 0 when all had been there."""
        tenant_id = seed.tenant_id
        to = self._shelves
        created = await self._created(to.tenants, tenant_id, tenant_id, seed.tenant)
        if seed.presence_policy is not None:
            policy = seed.presence_policy
            created += await self._created(to.policies, tenant_id, tenant_id, policy)
        for key, queue in seed.queues.items():
            if not await self._leads_nowhere(tenant_id, queue):
                created += await self._created(to.queues, tenant_id, key, queue)
        for key, user in seed.users.items():
            if not await to.queues.missing(tenant_id, user.queue_ids):
                created += await self._user(tenant_id, key, user, seed.plain_passwords.get(key))
        for key, group in seed.groups.items():
            if not await to.users.missing(tenant_id, group.user_ids):
                created += await self._created(to.groups, tenant_id, key, group)
        for key, account in seed.accounts.items():
            if not await to.queues.missing(tenant_id, [account.queue_id]):
                created += await self._created(to.accounts, tenant_id, key, account)
        return created

    async def _leads_nowhere(self, tenant_id: str, queue: Queue) -> bool:
        """Whether people removed what the queue overflows to. What is still to come is no loss."""
        slots: list[Slot[Queue] | Slot[Group]] = [
            *[await self._shelves.queues.at(tenant_id, it) for _, it in queue.next_queues],
            *[await self._shelves.groups.at(tenant_id, it) for _, it in queue.next_groups],
        ]
        return any(slot.version and slot.value is None for slot in slots)

    async def _user(self, tenant_id: str, key: str, user: User, plain: str | None) -> int:
        if plain is not None and not (await self._shelves.users.at(tenant_id, key)).version:
            hashed = Password(new_id(), await self._passwords.hash(plain))
            user = replace(user, password=hashed)
        return await self._created(self._shelves.users, tenant_id, key, user)

    async def _created(self, shelf: Shelf[T], tenant_id: str, key: str, value: T) -> int:
        before = await shelf.at(tenant_id, key)
        if before.version:
            return 0
        try:
            await shelf.save(before.holding(value))
        except Stale:
            return 0  # another replica creates the same
        except EmailTaken:
            log.warning("seeded user left out: the address is taken", extra={"user_id": key})
            return 0
        return 1
