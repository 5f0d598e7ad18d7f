"""A token says who somebody was; the directory acts on who they are."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from centralita.directory.v1.directory_service_pb2 import (
    DeleteChannelAccountRequest,
    DeleteUserRequest,
    GetUserRequest,
    PutChannelAccountRequest,
    PutGroupRequest,
    PutPresencePolicyRequest,
    PutQueueRequest,
    PutUserRequest,
    RotateChannelAccountSecretRequest,
)
from centralita.directory.v1.resources_pb2 import (
    CHANNEL_WEBCHAT,
    ChannelAccount,
    Group,
    PresencePolicy,
    Queue,
    User,
)
from centralita.directory.v1.session_service_pb2 import RefreshSessionRequest, SignOutRequest
from centralita.options.v1.options_pb2 import Role

from services.kernel.bus import Bus
from services.kernel.mongo import Database
from tests.integration.directory.installation import PASSWORD, Installation, refusal
from tests.integration.directory.test_state import settled, states

Act = Callable[[Any], Awaitable[Any]]
PREFIX = "cc.demo.directory.v1"

POWER: dict[str, Act] = {
    "makes a manager": lambda of: of.PutUser(
        PutUserRequest(user=user("mia", Role.ROLE_MANAGER), password=PASSWORD)
    ),
    "removes a user": lambda of: of.DeleteUser(DeleteUserRequest(user_id="sam")),
    "reads a secret": lambda of: of.RotateChannelAccountSecret(
        RotateChannelAccountSecretRequest(channel_account_id="shop")
    ),
    "opens a way in": lambda of: of.PutChannelAccount(
        PutChannelAccountRequest(
            channel_account=ChannelAccount(
                channel_account_id="web",
                channel=CHANNEL_WEBCHAT,
                display_name="Web",
                queue_id="support",
            )
        )
    ),
    "closes a way in": lambda of: of.DeleteChannelAccount(
        DeleteChannelAccountRequest(channel_account_id="shop")
    ),
    "changes a queue": lambda of: of.PutQueue(
        PutQueueRequest(queue=Queue(queue_id="support", display_name="Mine"))
    ),
    "changes a group": lambda of: of.PutGroup(
        PutGroupRequest(group=Group(group_id="front-desk", display_name="Mine"))
    ),
    "changes the policy": lambda of: of.PutPresencePolicy(
        PutPresencePolicyRequest(presence_policy=PresencePolicy(banned_after=3))
    ),
    "reads a colleague": lambda of: of.GetUser(GetUserRequest(user_id="ana")),
}


def user(user_id: str, role: Role.ValueType) -> User:
    return User(user_id=user_id, email=f"{user_id}@demo.example", display_name=user_id, role=role)


@pytest.mark.parametrize("act", POWER.values(), ids=POWER)
async def test_a_removed_administrator_has_no_power_left(directory: Installation, act: Act) -> None:
    adam, olga = await directory.as_user("adam"), await directory.as_user("olga")
    await olga.directory.DeleteUser(DeleteUserRequest(user_id="adam"))
    told = await refusal(act(adam.directory))
    assert (told.code, told.reason) == ("UNAUTHENTICATED", "TOKEN_REVOKED")


async def test_who_was_given_the_id_of_somebody_removed_is_not_them(
    directory: Installation,
) -> None:
    before, olga = await directory.signed_in("adam"), await directory.as_user("olga")
    await olga.directory.DeleteUser(DeleteUserRequest(user_id="adam"))
    again = PutUserRequest(user=user("adam", Role.ROLE_ADMINISTRATOR), password=PASSWORD)
    await olga.directory.PutUser(again)
    old = directory.with_token(before.tokens.access_token)
    told = await refusal(POWER["makes a manager"](old.directory))
    assert told.reason == "TOKEN_REVOKED"
    new = await directory.as_user("adam")
    await POWER["makes a manager"](new.directory)


async def test_a_lower_role_is_felt_at_once_and_a_higher_one_with_the_next_token(
    directory: Installation,
) -> None:
    adam, olga = await directory.as_user("adam"), await directory.as_user("olga")
    await olga.directory.PutUser(PutUserRequest(user=user("adam", Role.ROLE_SUPERVISOR)))
    told = await refusal(POWER["reads a secret"](adam.directory))
    assert (told.code, told.reason) == ("PERMISSION_DENIED", "ROLE_TOO_LOW")
    await POWER["reads a colleague"](adam.directory)
    sam = await directory.as_user("sam")
    await olga.directory.PutUser(PutUserRequest(user=user("sam", Role.ROLE_ADMINISTRATOR)))
    assert (await refusal(POWER["reads a secret"](sam.directory))).reason == "ROLE_TOO_LOW"
    await POWER["reads a secret"]((await directory.as_user("sam")).directory)


async def test_a_session_that_ended_is_told_and_its_tokens_are_refused(
    directory: Installation, bus: Bus, db: Database
) -> None:
    signed_in = await directory.signed_in("adam")
    adam = directory.with_token(signed_in.tokens.access_token)
    await POWER["reads a colleague"](adam.directory)
    token = signed_in.tokens.refresh_token
    for _ in range(2):  # signing out again is answered alike
        await directory.sessions.SignOut(SignOutRequest(refresh_token=token))
    assert (await refusal(POWER["reads a colleague"](adam.directory))).reason == "TOKEN_REVOKED"
    await settled(db)
    session_id = token.partition(".")[0]
    told = (await states(bus))[f"{PREFIX}.session.ended.{session_id}"]
    assert (told.tenant_id, told.user_id, told.session_id) == ("demo", "adam", session_id)
    stored = await bus.js.get_last_msg("DIRECTORY", f"{PREFIX}.session.ended.{session_id}")
    assert stored.headers is not None
    assert stored.headers["Nats-TTL"] == "960s", "as long as its last token, and a minute"


@pytest.mark.parametrize("by", ["a new password", "removal", "a stolen refresh token"])
async def test_every_end_of_a_session_is_told(
    directory: Installation, bus: Bus, db: Database, by: str
) -> None:
    tokens = [(await directory.signed_in("ana")).tokens for _ in range(2)]
    olga = (await directory.as_user("olga")).directory
    match by:
        case "a new password":
            ana = user("ana", Role.ROLE_AGENT)
            await olga.PutUser(PutUserRequest(user=ana, password="another-password"))
        case "removal":
            await olga.PutGroup(
                PutGroupRequest(group=Group(group_id="front-desk", display_name="Desk"))
            )
            await olga.DeleteUser(DeleteUserRequest(user_id="ana"))
        case _:
            for each in tokens:
                old = RefreshSessionRequest(refresh_token=each.refresh_token)
                await directory.sessions.RefreshSession(old)
                await refusal(directory.sessions.RefreshSession(old))
    await settled(db)
    told = await states(bus)
    for each in tokens:
        assert f"{PREFIX}.session.ended.{each.refresh_token.partition('.')[0]}" in told


async def test_what_is_made_again_says_so_in_its_state(
    directory: Installation, bus: Bus, db: Database
) -> None:
    olga = (await directory.as_user("olga")).directory
    await olga.DeleteUser(DeleteUserRequest(user_id="sam"))
    for _ in range(2):
        await olga.PutUser(PutUserRequest(user=user("sam", Role.ROLE_AGENT), password=PASSWORD))
    await settled(db)
    told = await states(bus)
    sam, ana = told[f"{PREFIX}.user.changed.sam"], told[f"{PREFIX}.user.changed.ana"]
    assert (sam.version, sam.incarnation, ana.incarnation) == (4, 3, 1)
