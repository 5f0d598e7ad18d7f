"""Who may call what, and that nobody sees another tenant: every RPC, from the descriptors."""

from collections.abc import Callable
from typing import Any

import pytest
from centralita.directory.v1 import directory_service_pb2 as pb
from centralita.directory.v1.resources_pb2 import (
    CHANNEL_CUSTOM,
    ChannelAccount,
    Group,
    PresencePolicy,
    Queue,
    User,
)
from centralita.options.v1.options_pb2 import ROLE_AGENT, ROLE_OWNER
from centralita.options.v1.options_pb2 import access as access_option

from services.directory.adapters.seal import Seal
from services.directory.adapters.store import store
from services.directory.domain.queue import Queue as QueueValue
from services.directory.domain.slot import Slot
from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.mongo import Database
from tests.integration.directory.installation import Installation, refusal

SERVICE = pb.DESCRIPTOR.services_by_name["DirectoryService"]
RULES = {it.name: it.GetOptions().Extensions[access_option] for it in SERVICE.methods}
RANKS = {"ana": 1, "sam": 2, "adam": 4, "olga": 5}

# What olga of acme asks for to reach things of demo, or the other way round.
FOREIGN: dict[str, Callable[[], Any]] = {
    "GetUser": lambda: pb.GetUserRequest(user_id="ana"),
    "DeleteUser": lambda: pb.DeleteUserRequest(user_id="ana"),
    "GetQueue": lambda: pb.GetQueueRequest(queue_id="support"),
    "DeleteQueue": lambda: pb.DeleteQueueRequest(queue_id="sales"),
    "GetGroup": lambda: pb.GetGroupRequest(group_id="front-desk"),
    "DeleteGroup": lambda: pb.DeleteGroupRequest(group_id="front-desk"),
    "GetChannelAccount": lambda: pb.GetChannelAccountRequest(channel_account_id="shop"),
    "DeleteChannelAccount": lambda: pb.DeleteChannelAccountRequest(channel_account_id="shop"),
    "RotateChannelAccountSecret": lambda: pb.RotateChannelAccountSecretRequest(
        channel_account_id="shop"
    ),
}
REFERRING: dict[str, Callable[[], Any]] = {
    "PutUser": lambda: pb.PutUserRequest(
        user=User(
            user_id="x",
            email="x@acme.example",
            display_name="X",
            role=ROLE_AGENT,
            queue_ids=["support"],
        )
    ),
    "PutGroup": lambda: pb.PutGroupRequest(
        group=Group(group_id="x", display_name="X", user_ids=["ana"])
    ),
    "PutChannelAccount": lambda: pb.PutChannelAccountRequest(
        channel_account=ChannelAccount(
            channel_account_id="x", channel=CHANNEL_CUSTOM, display_name="X", queue_id="support"
        )
    ),
}
OWN: dict[str, Callable[[], Any]] = {
    "PutUser": lambda: pb.PutUserRequest(
        user=User(user_id="ana", email="ana@demo.example", display_name="X", role=ROLE_AGENT)
    ),
    "PutQueue": lambda: pb.PutQueueRequest(queue=Queue(queue_id="support", display_name="X")),
    "PutGroup": lambda: pb.PutGroupRequest(group=Group(group_id="front-desk", display_name="X")),
    "PutChannelAccount": lambda: pb.PutChannelAccountRequest(
        channel_account=ChannelAccount(
            channel_account_id="shop",
            channel=CHANNEL_CUSTOM,
            display_name="X",
            queue_id="acme-only",
        )
    ),
    "PutPresencePolicy": lambda: pb.PutPresencePolicyRequest(
        presence_policy=PresencePolicy(banned_after=9)
    ),
}
PARAMETERLESS = ("GetTenant", "GetPresencePolicy")
LISTS = ("ListUsers", "ListQueues", "ListGroups", "ListChannelAccounts")


def empty(method: str) -> Any:
    return getattr(pb, f"{method}Request")()


def test_every_method_is_in_one_of_the_tables_of_tenancy() -> None:
    covered = {*FOREIGN, *REFERRING, *OWN, *LISTS, *PARAMETERLESS, "ResolveChannelAccount"}
    assert covered == set(RULES)


async def test_nobody_calls_without_a_token(directory: Installation) -> None:
    for method in RULES:
        for token, reason in (("", "TOKEN_MISSING"), ("not-a-token", "TOKEN_INVALID")):
            call = getattr(directory.with_token(token).directory, method)
            told = await refusal(call(empty(method)))
            assert (told.code, told.reason) == ("UNAUTHENTICATED", reason), method


@pytest.mark.parametrize("name", RANKS)
async def test_a_role_below_the_rule_is_refused_and_others_pass(
    directory: Installation, name: str
) -> None:
    caller = await directory.as_user(name)
    for method, rule in RULES.items():
        call = getattr(caller.directory, method)
        if not rule.least_role:
            told = await refusal(call(empty(method)))
            assert (told.code, told.reason) == ("PERMISSION_DENIED", "SERVICE_NOT_ALLOWED"), method
        elif RANKS[name] < rule.least_role:
            told = await refusal(call(empty(method)))
            assert (told.code, told.reason) == ("PERMISSION_DENIED", "ROLE_TOO_LOW"), method
        elif method in LISTS or method in PARAMETERLESS:
            await call(empty(method))
        else:
            assert (await refusal(call(empty(method)))).reason == "FIELD_INVALID", method


async def test_a_service_calls_what_is_for_it_and_nothing_else(directory: Installation) -> None:
    for service, secret in (
        ("ingestion", "ingestion-secret-1"),
        ("conversations", "conversations-secret"),
    ):
        caller = await directory.as_service(service, secret)
        for method, rule in RULES.items():
            told = await refusal(getattr(caller.directory, method)(empty(method)))
            if service in rule.services:
                assert told.reason == "FIELD_INVALID"
            else:
                assert (told.code, told.reason) == ("PERMISSION_DENIED", "SERVICE_NOT_ALLOWED")


async def test_an_owner_reaches_nothing_of_another_tenant(
    directory: Installation, db: Database
) -> None:
    async def all_of(tenant: str) -> list[Any]:
        names = ("tenants", "users", "queues", "groups", "channel_accounts", "presence_policies")
        query = {"tenant_id": tenant}
        return [
            it async for name in _each(names) async for it in db[name].find(query, {"outbox": 0})
        ]

    before = await all_of("demo")
    olga = (await directory.as_user("olga", "acme")).directory
    for method, request in FOREIGN.items():
        told = await refusal(getattr(olga, method)(request()))
        assert told.code == "NOT_FOUND", method
    for method, request in REFERRING.items():
        told = await refusal(getattr(olga, method)(request()))
        assert (told.code, told.reason[-10:]) == ("INVALID_ARGUMENT", "_NOT_FOUND"), method
    for method, request in OWN.items():
        await getattr(olga, method)(request())  # the same ids, in acme
    for method in LISTS:
        answer = await getattr(olga, method)(empty(method))
        assert "emo" not in str(answer).replace("ana@demo.example", ""), method
    assert await all_of("demo") == before


async def test_lists_hold_the_callers_tenant_only(directory: Installation) -> None:
    olga = (await directory.as_user("olga", "acme")).directory
    users = (await olga.ListUsers(pb.ListUsersRequest())).users
    assert [(it.user_id, it.email, it.role) for it in users] == [
        ("olga", "olga@acme.example", ROLE_OWNER)
    ]
    queues = (await olga.ListQueues(pb.ListQueuesRequest())).queues
    assert [it.queue_id for it in queues] == ["acme-only"]
    groups = (await olga.ListGroups(pb.ListGroupsRequest())).groups
    assert [it.group_id for it in groups] == ["acme-group"]
    accounts = (await olga.ListChannelAccounts(pb.ListChannelAccountsRequest())).channel_accounts
    assert [it.channel_account_id for it in accounts] == ["acme-web"]


@pytest.mark.parametrize("neighbour", ["ab-c", "ab0", "a", "abc", "aa", "ac"])
async def test_a_tenant_with_a_similar_name_is_another_one(
    db: Database, bus: Bus, neighbour: str
) -> None:
    async with store(db, bus, Seal(), utc_now) as kept:
        for tenant in ("ab", neighbour):
            for name in ("one", "two"):
                await kept.queues.save(Slot(tenant, name, QueueValue(f"{name} of {tenant}")))
        for tenant in ("ab", neighbour):
            page = await kept.queues.page(tenant, "", 10)
            assert [(it.tenant_id, it.id) for it in page] == [(tenant, "one"), (tenant, "two")]
            assert [it.id for it in await kept.queues.page(tenant, "one", 10)] == ["two"]


async def _each(names: tuple[str, ...]) -> Any:
    for name in names:
        yield name
