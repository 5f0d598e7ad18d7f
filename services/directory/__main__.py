"""python -m services.directory: build every part once, run until told to stop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from centralita.conversations.v1.conversations_service_pb2_grpc import ConversationsServiceStub
from centralita.directory.v1.directory_service_pb2_grpc import (
    add_DirectoryServiceServicer_to_server,
)
from centralita.directory.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server
from centralita.dispatch.v1.removal_service_pb2_grpc import RemovalServiceStub

from services.kernel.bus import Bus, connected
from services.kernel.causes import cause_of
from services.kernel.channels import channel
from services.kernel.clock import Clock, utc_now
from services.kernel.ending import beside
from services.kernel.health import health
from services.kernel.identity import Guard
from services.kernel.keys import Jwks
from services.kernel.mongo import database
from services.kernel.run import Running, run_from_env
from services.kernel.serve import Exposed, serving
from services.kernel.serve_http import serving_http

from .adapters.live_work import GrpcConversations, GrpcRouter
from .adapters.mongo_sessions import MongoKeys
from .adapters.passwords import ArgonPasswords, Cost, argon_passwords
from .adapters.published import PublishedStates
from .adapters.seal import Seal
from .adapters.seed_file import read_seed
from .adapters.standing import StoredStanding
from .adapters.store import Store, store
from .adapters.tokens import JwtTokens, OwnKeys, OwnToken, key_set
from .domain import errors
from .domain.keys import KeyPolicy
from .grpc_api import CODES, Directory, DirectoryApi, SessionApi, SigningIn
from .http_api import routes
from .settings import Settings, service_secrets
from .use_cases import presence_policy, removals, resources, sessions, users
from .use_cases.keys import KeyRing
from .use_cases.republish import Republish
from .use_cases.seed import ApplySeed, Shelves
from .use_cases.shelves import Read

log = logging.getLogger(__name__)

AGAIN = 5.0
"""Seconds until a failed task of the background is tried again."""


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    """Run the directory: APIs, key set, seed, and the healing of a lost state stream."""
    known_services, seal = service_secrets(settings), Seal(settings.key_encryption_key)
    async with (
        connected(settings.nats_url, name="directory") as bus,
        database(settings.mongo_url, settings.mongo_database) as db,
        health("directory", bus, db) as well,
        store(db, bus, seal, utc_now, settings.access_token_lifetime) as kept,
        turning(KeyRing(MongoKeys(db, seal), utc_now, key_policy(settings)), settings) as ring,
        passwords_of(settings) as passwords,
        live_work(settings, tokens_of(ring, settings)) as live,
    ):
        await plant(kept, passwords, settings.seed_file)
        directory = directory_of(kept, passwords, live, settings, utc_now)
        signing_in = signing_in_of(kept, passwords, ring, settings, known_services)
        keys = Jwks(settings.jwks_url) if settings.jwks_url else OwnKeys(ring)
        async with (
            serving_http(settings.http_address, routes(lambda: key_set(ring.published))) as http,
            serving(
                settings.grpc_address,
                [
                    Exposed(add_DirectoryServiceServicer_to_server, DirectoryApi(directory)),
                    Exposed(add_SessionServiceServicer_to_server, SessionApi(signing_in)),
                ],
                guard=Guard(
                    keys,
                    settings.issuer,
                    settings.audience,
                    standing=StoredStanding(kept.users, kept.sessions),
                ),
                health=well,
                codes=CODES,
                domain="centralita.directory",
            ) as grpc,
            beside(until_done(healing(bus, kept))),
        ):
            yield Running(grpc_address=grpc, http_address=http, health=well)


@dataclass(frozen=True, slots=True)
class LiveWork:
    """Who is asked when something is removed; it does not matter whether they are there before."""

    router: GrpcRouter
    conversations: GrpcConversations


@asynccontextmanager
async def live_work(settings: Settings, tokens: JwtTokens) -> AsyncIterator[LiveWork]:
    token = OwnToken(tokens)
    async with (
        channel(settings.dispatch_address, token=token) as dispatch,
        channel(settings.conversations_address, token=token) as conversations,
    ):
        yield LiveWork(
            GrpcRouter(RemovalServiceStub(dispatch)),
            GrpcConversations(ConversationsServiceStub(conversations)),
        )


def directory_of(
    kept: Store, passwords: ArgonPasswords, live: LiveWork, settings: Settings, clock: Clock
) -> Directory:
    remove_emptied = removals.RemoveEmptied(kept.queues, live.router)
    return Directory(
        tenants=Read(kept.tenants, "tenant_id", errors.TenantNotFound),
        users=Read(kept.users, "user_id", errors.UserNotFound),
        queues=Read(kept.queues, "queue_id", errors.QueueNotFound),
        groups=Read(kept.groups, "group_id", errors.GroupNotFound),
        accounts=Read(kept.accounts, "channel_account_id", errors.ChannelAccountNotFound),
        put_user=users.PutUser(kept.users, kept.queues, passwords, kept.sessions, clock),
        delete_user=users.DeleteUser(kept.users, kept.references, kept.sessions, clock),
        put_queue=resources.PutQueue(kept.queues, kept.groups),
        delete_queue=removals.DeleteQueue(kept.queues, kept.references, remove_emptied),
        put_group=resources.PutGroup(kept.groups, kept.users),
        delete_group=removals.DeleteGroup(kept.groups, kept.references, remove_emptied),
        put_account=resources.PutChannelAccount(kept.accounts, kept.queues, clock),
        delete_account=removals.DeleteChannelAccount(kept.accounts, live.conversations),
        rotate_secret=resources.RotateSecret(kept.accounts, clock, settings.secret_overlap),
        resolve=resources.ResolveChannelAccount(kept.accounts, clock),
        presence_policy=presence_policy.ReadPresencePolicy(kept.policies),
        put_presence_policy=presence_policy.PutPresencePolicy(kept.policies),
    )


def signing_in_of(
    kept: Store,
    passwords: ArgonPasswords,
    ring: KeyRing,
    settings: Settings,
    known_services: Mapping[str, str],
) -> SigningIn:
    policy = sessions.SessionPolicy(settings.session_idle, settings.session_longest)
    tokens = tokens_of(ring, settings)
    open_session = sessions.OpenSession(kept.sessions, tokens, utc_now, policy)
    return SigningIn(
        sign_in=sessions.SignIn(kept.users, passwords, kept.attempts, open_session, utc_now),
        refresh=sessions.RefreshSession(kept.users, kept.sessions, tokens, utc_now, policy),
        sign_out=sessions.SignOut(kept.sessions),
        issue=sessions.IssueServiceToken(known_services, tokens),
    )


def tokens_of(ring: KeyRing, settings: Settings) -> JwtTokens:
    return JwtTokens(
        ring,
        utc_now,
        issuer=settings.issuer,
        audience=settings.audience,
        lifetime=settings.access_token_lifetime,
    )


def key_policy(settings: Settings) -> KeyPolicy:
    """Publish a key until its last token has ended, by anybody's clock."""
    afterlife = settings.access_token_lifetime + settings.key_lead
    return KeyPolicy(settings.key_lifetime, settings.key_lead, afterlife)


@asynccontextmanager
async def passwords_of(settings: Settings) -> AsyncIterator[ArgonPasswords]:
    cost = Cost(settings.password_passes, settings.password_memory_kib, settings.password_threads)
    with argon_passwords(cost) as passwords:
        yield passwords


@asynccontextmanager
async def turning(ring: KeyRing, settings: Settings) -> AsyncIterator[KeyRing]:
    """Have a key at the start, and look at the ring again and again."""

    async def turn_for_ever() -> None:
        while True:
            await asyncio.sleep(settings.key_check.total_seconds())
            await ring.turn()

    await ring.turn()
    async with beside(until_done(turn_for_ever)):
        yield ring


async def plant(kept: Store, passwords: ArgonPasswords, seed_file: str) -> None:
    """Apply the seed file, if there is one; a wrong one stops the start."""
    if not seed_file:
        return
    shelves = Shelves(
        kept.tenants, kept.users, kept.queues, kept.groups, kept.accounts, kept.policies
    )
    apply = ApplySeed(shelves, passwords)
    for seed in read_seed(Path(seed_file)):
        created = await apply(seed)
        log.info("seeded", extra={"tenant_id": seed.tenant_id, "count": created})


def healing(bus: Bus, kept: Store) -> Callable[[], Awaitable[None]]:
    """Publish what the bus lacks of our state: at the start, and when the bus comes back."""
    republish = Republish(PublishedStates(bus), kept.announced)
    resumed = asyncio.Event()

    async def heal_for_ever() -> None:
        with bus.on_resume(resumed.set):
            while True:
                resumed.clear()
                if count := await republish():
                    log.warning("state was missing on the bus", extra={"count": count})
                await resumed.wait()

    return heal_for_ever


async def until_done(task: Callable[[], Awaitable[None]]) -> None:
    """Run a task of the background, and again when a part of the system was gone."""
    while True:
        try:
            return await task()
        except Exception as trouble:  # noqa: BLE001 -- whatever it is, the service must go on
            log.warning("in the background", extra={"cause": cause_of(trouble)})
        await asyncio.sleep(AGAIN)


if __name__ == "__main__":
    run_from_env(service, Settings)
