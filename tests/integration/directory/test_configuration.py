"""Every RPC of DirectoryService over real gRPC: what it answers and what it refuses."""

import asyncio
from typing import Any

import pytest
from centralita.directory.v1.directory_service_pb2 import (
    DeleteChannelAccountRequest,
    DeleteGroupRequest,
    DeleteQueueRequest,
    DeleteUserRequest,
    GetChannelAccountRequest,
    GetGroupRequest,
    GetQueueRequest,
    GetTenantRequest,
    GetUserRequest,
    ListUsersRequest,
    PutChannelAccountRequest,
    PutGroupRequest,
    PutPresencePolicyRequest,
    PutQueueRequest,
    PutUserRequest,
    ResolveChannelAccountRequest,
    RotateChannelAccountSecretRequest,
)
from centralita.directory.v1.resources_pb2 import (
    AGENT_SELECTION_LEAST_BUSY,
    AGENT_SELECTION_LONGEST_IDLE,
    CHANNEL_CUSTOM,
    CHANNEL_WEBCHAT,
    ON_AGENT_LOST_HOLD,
    ON_AGENT_LOST_REQUEUE,
    TASK_SELECTION_AGE,
    TASK_SELECTION_PRIORITY,
    Capacity,
    ChannelAccount,
    Group,
    Queue,
    User,
)
from centralita.options.v1.options_pb2 import (
    ROLE_ADMINISTRATOR,
    ROLE_AGENT,
    ROLE_MANAGER,
    ROLE_OWNER,
)
from google.protobuf.duration_pb2 import Duration

from tests.integration.directory.installation import PASSWORD, Installation, refusal


@pytest.fixture
async def olga(directory: Installation) -> Any:
    return (await directory.as_user("olga")).directory


@pytest.fixture
async def adam(directory: Installation) -> Any:
    return (await directory.as_user("adam")).directory


def new_user(**changed: Any) -> User:
    fields = {
        "user_id": "eva",
        "email": "eva@demo.example",
        "display_name": "Eva",
        "role": ROLE_AGENT,
        "queue_ids": ["support"],
        "chat_capacity": 2,
        "capacity": Capacity(chats=2),
    }
    return User(**{**fields, **changed})


async def test_the_tenant_is_the_callers_own(directory: Installation) -> None:
    for tenant, name in (("demo", "Demonstration"), ("acme", "Acme")):
        caller = await directory.as_user("olga", tenant)
        answer = (await caller.directory.GetTenant(GetTenantRequest())).tenant
        assert (answer.tenant_id, answer.display_name) == (tenant, name)


async def test_a_user_is_put_read_listed_and_removed(adam: Any, directory: Installation) -> None:
    put = (await adam.PutUser(PutUserRequest(user=new_user(), password="evas-password"))).user
    assert put == new_user(version=1)
    assert (await adam.GetUser(GetUserRequest(user_id="eva"))).user == put
    listed = (await adam.ListUsers(ListUsersRequest())).users
    assert [it.user_id for it in listed] == ["adam", "ana", "eva", "olga", "sam"]
    same = (await adam.PutUser(PutUserRequest(user=put))).user
    assert same.version == 1, "nothing changed"
    await adam.DeleteUser(DeleteUserRequest(user_id="eva"))
    for call in (
        adam.GetUser(GetUserRequest(user_id="eva")),
        adam.DeleteUser(DeleteUserRequest(user_id="eva")),
    ):
        told = await refusal(call)
        assert (told.code, told.reason) == ("NOT_FOUND", "USER_NOT_FOUND")
    back = (await adam.PutUser(PutUserRequest(user=new_user()))).user
    assert back.version == 3, "the version goes on rising through removal"
    assert (await refusal(directory.signed_in("eva"))).reason == "SIGN_IN_REFUSED"


async def test_pages_follow_each_other_without_gap_or_repeat(adam: Any) -> None:
    seen, token = [], ""
    while True:
        page = await adam.ListUsers(ListUsersRequest(page_size=3, page_token=token))
        seen.append([it.user_id for it in page.users])
        if not (token := page.next_page_token):
            break
    assert seen == [["adam", "ana", "olga"], ["sam"]]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ListUsersRequest(page_size=201), "page_size"),
        (ListUsersRequest(page_token="!"), "page_token"),
        (ListUsersRequest(page_token="Li4v"), "page_token"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(
    adam: Any, request_: ListUsersRequest, field: str
) -> None:
    told = await refusal(adam.ListUsers(request_))
    assert (told.code, told.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    assert told.details["field"] == field


async def test_a_version_that_was_read_guards_against_lost_changes(adam: Any) -> None:
    read = (await adam.GetQueue(GetQueueRequest(queue_id="support"))).queue
    read.display_name = "First"
    first = (await adam.PutQueue(PutQueueRequest(queue=read))).queue
    assert first.version == read.version + 1
    read.display_name = "Second"
    told = await refusal(adam.PutQueue(PutQueueRequest(queue=read)))
    assert (told.code, told.reason) == ("ABORTED", "VERSION_STALE")
    assert told.details == {"id": "support", "currentVersion": str(first.version)}
    read.version = 0
    assert (await adam.PutQueue(PutQueueRequest(queue=read))).queue.display_name == "Second"
    unknown = Queue(queue_id="never", display_name="Never", version=7)
    assert (await refusal(adam.PutQueue(PutQueueRequest(queue=unknown)))).reason == "VERSION_STALE"


async def test_of_writers_with_the_same_version_one_wins(adam: Any) -> None:
    read = (await adam.GetQueue(GetQueueRequest(queue_id="support"))).queue
    puts = []
    for n in range(8):
        wanted = Queue()
        wanted.CopyFrom(read)
        wanted.display_name = f"Number {n}"
        puts.append(adam.PutQueue(PutQueueRequest(queue=wanted)))
    answers = await asyncio.gather(*puts, return_exceptions=True)
    assert sum(not isinstance(it, BaseException) for it in answers) == 1


async def test_writers_without_a_version_all_win(adam: Any) -> None:
    queues = [Queue(queue_id="support", display_name=f"Number {n}") for n in range(8)]
    await asyncio.gather(*(adam.PutQueue(PutQueueRequest(queue=it)) for it in queues))
    assert (await adam.GetQueue(GetQueueRequest(queue_id="support"))).queue.version == 9


async def test_only_an_owner_makes_or_changes_administrators_and_owners(
    adam: Any, olga: Any
) -> None:
    above = [
        adam.PutUser(PutUserRequest(user=new_user(role=ROLE_ADMINISTRATOR))),
        adam.PutUser(PutUserRequest(user=new_user(role=ROLE_OWNER))),
        adam.PutUser(PutUserRequest(user=new_user(user_id="olga", email="x@y"), password="x" * 10)),
        adam.PutUser(PutUserRequest(user=new_user(user_id="adam", email="adam@demo.example"))),
        adam.DeleteUser(DeleteUserRequest(user_id="olga")),
        adam.DeleteUser(DeleteUserRequest(user_id="adam")),
    ]
    for call in above:
        told = await refusal(call)
        assert (told.code, told.reason) == ("PERMISSION_DENIED", "ROLE_TOO_LOW")
        assert told.details == {"leastRole": "owner"}
    await adam.PutUser(PutUserRequest(user=new_user(role=ROLE_MANAGER)))
    await olga.PutUser(PutUserRequest(user=new_user(role=ROLE_ADMINISTRATOR)))
    await olga.DeleteUser(DeleteUserRequest(user_id="adam"))


async def test_the_last_owner_stays(olga: Any) -> None:
    me = (await olga.GetUser(GetUserRequest(user_id="olga"))).user
    lesser = User()
    lesser.CopyFrom(me)
    lesser.role = ROLE_AGENT
    for call in (
        olga.PutUser(PutUserRequest(user=lesser)),
        olga.DeleteUser(DeleteUserRequest(user_id="olga")),
    ):
        told = await refusal(call)
        assert (told.code, told.reason) == ("FAILED_PRECONDITION", "LAST_OWNER")
    await olga.PutUser(PutUserRequest(user=new_user(role=ROLE_OWNER)))
    await olga.PutUser(PutUserRequest(user=lesser))


async def test_an_address_belongs_to_one_user_whatever_its_case(adam: Any, olga: Any) -> None:
    told = await refusal(adam.PutUser(PutUserRequest(user=new_user(email="ANA@demo.example"))))
    assert (told.code, told.reason) == ("ALREADY_EXISTS", "EMAIL_TAKEN")
    await adam.PutUser(PutUserRequest(user=new_user()))
    told = await refusal(adam.PutUser(PutUserRequest(user=new_user(email="ana@demo.example"))))
    assert told.reason == "EMAIL_TAKEN"
    same_at_acme = new_user(email="olga@acme.example")
    await adam.PutUser(PutUserRequest(user=same_at_acme))
    await adam.PutUser(PutUserRequest(user=new_user(email="free-again@demo.example")))


async def test_queues_and_groups_go_through_their_life(adam: Any) -> None:
    queue = Queue(queue_id="vip", display_name=" VIP ")
    put = (await adam.PutQueue(PutQueueRequest(queue=queue))).queue
    assert put == Queue(
        queue_id="vip",
        display_name="VIP",
        agent_selection=AGENT_SELECTION_LONGEST_IDLE,
        offer_timeout=Duration(seconds=20),
        priority=50,
        version=1,
        task_selection=TASK_SELECTION_PRIORITY,
        weight=1,
        on_agent_lost=ON_AGENT_LOST_HOLD,
        ask_again_after=Duration(seconds=20),
    )
    precise = Queue(
        queue_id="vip",
        display_name="VIP",
        agent_selection=AGENT_SELECTION_LEAST_BUSY,
        offer_timeout=Duration(seconds=1, nanos=500_000_000),
        priority=100,
        task_selection=TASK_SELECTION_AGE,
        weight=2,
        on_agent_lost=ON_AGENT_LOST_REQUEUE,
        ask_again_after=Duration(seconds=3600),
    )
    put = (await adam.PutQueue(PutQueueRequest(queue=precise))).queue
    precise.version = 2
    assert put == precise
    group = Group(group_id="night", display_name="Night", user_ids=["sam", "ana", "ana"])
    made = (await adam.PutGroup(PutGroupRequest(group=group))).group
    assert (list(made.user_ids), made.version) == (["sam", "ana"], 1)
    assert (await adam.GetGroup(GetGroupRequest(group_id="night"))).group == made
    await adam.DeleteGroup(DeleteGroupRequest(group_id="night"))
    await adam.DeleteQueue(DeleteQueueRequest(queue_id="vip"))
    told = await refusal(adam.GetQueue(GetQueueRequest(queue_id="vip")))
    assert (told.code, told.reason) == ("NOT_FOUND", "QUEUE_NOT_FOUND")
    told = await refusal(adam.GetGroup(GetGroupRequest(group_id="night")))
    assert (told.code, told.reason) == ("NOT_FOUND", "GROUP_NOT_FOUND")


async def test_what_others_refer_to_is_not_removed(adam: Any, olga: Any) -> None:
    told = await refusal(adam.DeleteQueue(DeleteQueueRequest(queue_id="support")))
    assert (told.code, told.reason) == ("FAILED_PRECONDITION", "IN_USE")
    assert told.details == {"kind": "user", "id": "ana"}
    ana = (await adam.GetUser(GetUserRequest(user_id="ana"))).user
    del ana.queue_ids[:]
    await adam.PutUser(PutUserRequest(user=ana))
    told = await refusal(adam.DeleteQueue(DeleteQueueRequest(queue_id="support")))
    assert told.details == {"kind": "channel_account", "id": "shop"}
    await adam.DeleteChannelAccount(DeleteChannelAccountRequest(channel_account_id="shop"))
    await adam.DeleteQueue(DeleteQueueRequest(queue_id="support"))
    told = await refusal(adam.DeleteUser(DeleteUserRequest(user_id="ana")))
    assert (told.code, told.reason) == ("FAILED_PRECONDITION", "IN_USE")
    assert told.details == {"kind": "group", "id": "front-desk"}


async def test_a_name_that_refers_to_nothing_is_refused(adam: Any) -> None:
    account = ChannelAccount(
        channel_account_id="web", channel=CHANNEL_WEBCHAT, display_name="Web", queue_id="nowhere"
    )
    group = Group(group_id="x", display_name="X", user_ids=["nobody"])
    for call, reason, field in (
        (
            adam.PutUser(PutUserRequest(user=new_user(queue_ids=["support", "acme-only"]))),
            "QUEUE_NOT_FOUND",
            "user.queue_ids",
        ),
        (
            adam.PutChannelAccount(PutChannelAccountRequest(channel_account=account)),
            "QUEUE_NOT_FOUND",
            "channel_account.queue_id",
        ),
        (adam.PutGroup(PutGroupRequest(group=group)), "USER_NOT_FOUND", "group.user_ids"),
    ):
        told = await refusal(call)
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", reason)
        assert told.details["field"] == field


async def test_a_channel_account_keeps_its_secret_to_those_who_need_it(
    adam: Any, directory: Installation
) -> None:
    ingestion = (await directory.as_service("ingestion", "ingestion-secret-1")).directory
    account = ChannelAccount(
        channel_account_id="bot",
        channel=CHANNEL_CUSTOM,
        display_name="Bot",
        queue_id="sales",
        callback_url="https://bot.example/replies",
    )
    put = (
        await adam.PutChannelAccount(PutChannelAccountRequest(channel_account=account))
    ).channel_account
    resolve = ResolveChannelAccountRequest(tenant_id="demo", channel_account_id="bot")
    (made,) = (await ingestion.ResolveChannelAccount(resolve)).secrets
    assert len(made) >= 32

    rotate = RotateChannelAccountSecretRequest(channel_account_id="bot")
    second = (await adam.RotateChannelAccountSecret(rotate)).secret
    assert list((await ingestion.ResolveChannelAccount(resolve)).secrets) == [second, made]
    third = (await adam.RotateChannelAccountSecret(rotate)).secret
    assert list((await ingestion.ResolveChannelAccount(resolve)).secrets) == [third, second]

    read = GetChannelAccountRequest(channel_account_id="bot")
    now = (await adam.GetChannelAccount(read)).channel_account
    assert now.version == put.version + 2, "readers that cache secrets must hear of a new one"
    now.display_name = "Robot"
    await adam.PutChannelAccount(PutChannelAccountRequest(channel_account=now))
    answer = await ingestion.ResolveChannelAccount(resolve)
    assert list(answer.secrets) == [third, second], "a put keeps the secrets"
    assert answer.channel_account.display_name == "Robot"

    await adam.DeleteChannelAccount(DeleteChannelAccountRequest(channel_account_id="bot"))
    for call in (
        ingestion.ResolveChannelAccount(resolve),
        adam.GetChannelAccount(read),
        adam.RotateChannelAccountSecret(rotate),
    ):
        told = await refusal(call)
        assert (told.code, told.reason) == ("NOT_FOUND", "CHANNEL_ACCOUNT_NOT_FOUND")


async def test_the_seeded_secret_signs(directory: Installation) -> None:
    ingestion = (await directory.as_service("ingestion", "ingestion-secret-1")).directory
    resolve = ResolveChannelAccountRequest(tenant_id="demo", channel_account_id="shop")
    answer = await ingestion.ResolveChannelAccount(resolve)
    assert list(answer.secrets) == ["demo-shop-secret-0123456789"]
    assert answer.channel_account.queue_id == "support"


@pytest.mark.parametrize(
    ("changed", "field", "rule"),
    [
        ({"user_id": ""}, "user.user_id", "slug"),
        ({"user_id": "a.b"}, "user.user_id", "slug"),
        ({"user_id": "x" * 65}, "user.user_id", "slug"),
        ({"email": ""}, "user.email", "email"),
        ({"display_name": ""}, "user.display_name", "length"),
        ({"role": 0}, "user.role", "member"),
        ({"role": 17}, "user.role", "member"),
        ({"chat_capacity": 51, "capacity": None}, "user.chat_capacity", "range"),
        ({"queue_ids": [""]}, "user.queue_ids", "slug"),
    ],
)
async def test_a_field_that_breaks_its_rule_is_named(
    adam: Any, changed: dict[str, Any], field: str, rule: str
) -> None:
    told = await refusal(adam.PutUser(PutUserRequest(user=new_user(**changed))))
    assert (told.code, told.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    assert told.details == {"field": field, "rule": rule}


async def test_empty_requests_are_refused_by_name(adam: Any, directory: Installation) -> None:
    ingestion = (await directory.as_service("ingestion", "ingestion-secret-1")).directory
    for call, field in (
        (adam.PutUser(PutUserRequest()), "user"),
        (adam.PutQueue(PutQueueRequest()), "queue"),
        (adam.PutGroup(PutGroupRequest()), "group"),
        (adam.PutChannelAccount(PutChannelAccountRequest()), "channel_account"),
        (adam.PutPresencePolicy(PutPresencePolicyRequest()), "presence_policy"),
        (adam.PutUser(PutUserRequest(user=new_user(), password="short")), "password"),
        (adam.GetUser(GetUserRequest()), "user_id"),
        (adam.GetQueue(GetQueueRequest()), "queue_id"),
        (adam.GetGroup(GetGroupRequest()), "group_id"),
        (adam.GetChannelAccount(GetChannelAccountRequest()), "channel_account_id"),
        (adam.DeleteUser(DeleteUserRequest()), "user_id"),
        (adam.DeleteQueue(DeleteQueueRequest()), "queue_id"),
        (adam.DeleteGroup(DeleteGroupRequest()), "group_id"),
        (adam.DeleteChannelAccount(DeleteChannelAccountRequest()), "channel_account_id"),
        (
            adam.RotateChannelAccountSecret(RotateChannelAccountSecretRequest()),
            "channel_account_id",
        ),
        (ingestion.ResolveChannelAccount(ResolveChannelAccountRequest()), "tenant_id"),
        (
            ingestion.ResolveChannelAccount(ResolveChannelAccountRequest(tenant_id="demo")),
            "channel_account_id",
        ),
    ):
        told = await refusal(call)
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID"), field
        assert told.details["field"] == field


async def test_a_password_is_changed_without_touching_the_rest(
    adam: Any, directory: Installation
) -> None:
    ana = (await adam.GetUser(GetUserRequest(user_id="ana"))).user
    changed = (await adam.PutUser(PutUserRequest(user=ana, password="another-password"))).user
    assert changed.version == ana.version + 1
    assert (await refusal(directory.signed_in("ana"))).reason == "SIGN_IN_REFUSED"
    await adam.PutUser(PutUserRequest(user=changed, password=PASSWORD))
    assert (await directory.signed_in("ana")).user_id == "ana"
