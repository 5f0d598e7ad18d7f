"""Who is Ready and can be given nothing is told so, and why."""

from datetime import UTC, datetime
from typing import Any

import pytest
from centralita.directory.v1.events_pb2 import GroupChanged, UserChanged
from centralita.directory.v1.resources_pb2 import Capacity, Group
from centralita.directory.v1.resources_pb2 import TaskChannel as Numbers

from services.presence.adapters.abilities import KnownAbilities
from services.presence.domain.eligibility import Hindrance, hindrance
from services.presence.domain.presence import Presence
from services.presence.domain.status import DND, ONLINE, READY, Channel
from services.presence.messages import ability_of

CHAT, CALL, VOICEMAIL = Numbers.values()[1:]
READY_NOW = Presence("acme", "ana", connected=True, intent=READY, since=datetime.now(UTC))


def why(it: Presence = READY_NOW, **user: Any) -> Hindrance:
    return hindrance(it, ability_of(UserChanged(**{"queue_ids": ["sales"], **user})))


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ({}, Hindrance.NONE),
        ({"queue_ids": []}, Hindrance.NO_QUEUE),
        ({"chat_capacity": 0}, Hindrance.NONE),
        ({"capacity": Capacity()}, Hindrance.NONE),
        ({"capacity": Capacity(chats=0)}, Hindrance.NONE),
        ({"capacity": Capacity(calls=False)}, Hindrance.NONE),
        ({"capacity": Capacity(chats=0, calls=False)}, Hindrance.NO_CAPACITY),
        ({"capacity": Capacity(chats=0), "channels": [CHAT]}, Hindrance.NO_CAPACITY),
        ({"capacity": Capacity(chats=0), "channels": [CHAT, VOICEMAIL]}, Hindrance.NO_CAPACITY),
        ({"capacity": Capacity(calls=False), "channels": [CALL]}, Hindrance.NO_CAPACITY),
    ],
)
def test_what_the_directory_says_may_stand_in_the_way(
    user: dict[str, Any], reason: Hindrance
) -> None:
    assert why(**user) is reason


@pytest.mark.parametrize(
    ("wants", "user", "reason"),
    [
        (Channel.CALL, {"channels": [CHAT]}, Hindrance.NO_CHANNEL),
        (Channel.CALL, {"capacity": Capacity(calls=False)}, Hindrance.NO_CHANNEL),
        (Channel.CHAT, {"capacity": Capacity(chats=0)}, Hindrance.NO_CHANNEL),
        (Channel.CHAT, {"channels": [CHAT]}, Hindrance.NONE),
    ],
)
def test_so_may_what_they_want(wants: Channel, user: dict[str, Any], reason: Hindrance) -> None:
    it = READY_NOW.want(datetime.now(UTC), frozenset({wants}))
    assert why(it, **user) is reason


@pytest.mark.parametrize("chosen", [ONLINE, DND])
def test_who_wants_nothing_is_told_nothing(chosen: Any) -> None:
    assert why(READY_NOW.choose(datetime.now(UTC), chosen), queue_ids=[]) is Hindrance.NONE
    assert why(Presence("acme", "ana", intent=READY), queue_ids=[]) is Hindrance.NONE


def test_a_group_reaches_its_members_as_long_as_they_belong_to_it() -> None:
    known, ana = KnownAbilities(), ("acme", "ana")

    def group(group_id: str, version: int, *user_ids: str) -> None:
        of_it = Group(user_ids=user_ids)
        known.take_group(
            GroupChanged(tenant_id="acme", group_id=group_id, version=version, group=of_it)
        )

    def reason() -> Hindrance:
        return hindrance(READY_NOW, known.of(ana))

    assert reason() is Hindrance.NO_QUEUE
    group("front", 2, "ana", "ben")
    group("front", 1)
    assert reason() is Hindrance.NONE
    group("back", 1, "ana")
    group("front", 3, "ben")
    assert reason() is Hindrance.NONE
    group("back", 2)
    assert reason() is Hindrance.NO_QUEUE
    known.take_user(UserChanged(tenant_id="acme", user_id="ana", version=2, queue_ids=["sales"]))
    known.take_user(UserChanged(tenant_id="acme", user_id="ana", version=1))
    assert reason() is Hindrance.NONE
    known.take_user(UserChanged(tenant_id="acme", user_id="ana", version=3, removed=True))
    assert reason() is Hindrance.NO_QUEUE
    assert hindrance(READY_NOW, known.of(("globex", "ana"))) is Hindrance.NO_QUEUE
