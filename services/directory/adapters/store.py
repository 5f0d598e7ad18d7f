"""All collections of the directory, indexed, each with the relay of its outbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from services.directory import messages
from services.directory.domain.channel_account import ChannelAccount
from services.directory.domain.group import Group
from services.directory.domain.presence_policy import PresencePolicy
from services.directory.domain.queue import Queue
from services.directory.domain.tenant import Tenant
from services.directory.use_cases.ports import Announced
from services.kernel.bus import Bus
from services.kernel.clock import Clock
from services.kernel.mongo import Database
from services.kernel.outbox import outbox

from . import documents, queue_documents
from .mongo import Form, MongoReferences, MongoShelf, MongoUsers
from .mongo_sessions import MongoAttempts, MongoSessions
from .seal import Seal

A_WHILE = timedelta(minutes=1)
"""By so much what ended is told for longer than its tokens are good: clocks and queues differ."""


@dataclass(frozen=True, slots=True)
class Store:
    tenants: MongoShelf[Tenant]
    users: MongoUsers
    queues: MongoShelf[Queue]
    groups: MongoShelf[Group]
    accounts: MongoShelf[ChannelAccount]
    policies: MongoShelf[PresencePolicy]
    references: MongoReferences
    attempts: MongoAttempts
    sessions: MongoSessions

    @property
    def announced(self) -> list[Announced]:
        """All whose state is on the bus."""
        return [self.users, self.queues, self.groups, self.accounts, self.policies]


@asynccontextmanager
async def store(
    db: Database,
    bus: Bus,
    seal: Seal,
    clock: Clock,
    token_lifetime: timedelta = timedelta(minutes=15),
) -> AsyncIterator[Store]:
    """Open every collection; its state events leave while the block runs."""
    sealed = documents.ChannelAccountDocuments(seal)
    tenants: Form[Tenant] = Form(documents.from_tenant, documents.to_tenant)
    users = Form(documents.from_user, documents.to_user, messages.user_changed)
    queues = Form(queue_documents.from_queue, queue_documents.to_queue, messages.queue_changed)
    groups = Form(documents.from_group, documents.to_group, messages.group_changed)
    accounts = Form(sealed.from_account, sealed.to_account, messages.channel_account_changed)
    policies = Form(
        documents.from_presence_policy,
        documents.to_presence_policy,
        messages.presence_policy_changed,
    )
    async with (
        outbox(db["users"], bus) as of_users,
        outbox(db["queues"], bus) as of_queues,
        outbox(db["groups"], bus) as of_groups,
        outbox(db["channel_accounts"], bus) as of_accounts,
        outbox(db["presence_policies"], bus) as of_policies,
        outbox(db["ended_sessions"], bus) as of_sessions,
    ):
        opened = Store(
            tenants=MongoShelf(db["tenants"], tenants, clock),
            users=MongoUsers(db["users"], users, clock, of_users),
            queues=MongoShelf(db["queues"], queues, clock, of_queues),
            groups=MongoShelf(db["groups"], groups, clock, of_groups),
            accounts=MongoShelf(db["channel_accounts"], accounts, clock, of_accounts),
            policies=MongoShelf(db["presence_policies"], policies, clock, of_policies),
            references=MongoReferences(db),
            attempts=MongoAttempts(db),
            sessions=MongoSessions(db, of_sessions, clock, token_lifetime + A_WHILE),
        )
        await opened.users.prepare()
        await opened.references.prepare()
        await opened.attempts.prepare()
        await opened.sessions.prepare()
        yield opened
