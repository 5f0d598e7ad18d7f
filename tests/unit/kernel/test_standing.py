"""Whoever a token speaks for may be somebody else by now, or nobody."""

from contextlib import nullcontext

import pytest
from centralita.directory.v1.events_pb2 import SessionEnded, UserChanged
from centralita.options.v1.options_pb2 import Role

from services.kernel.callers import Caller, TokenRevoked
from services.kernel.standing import LONGEST_TOKEN, HeardStanding

AGENT, ADMINISTRATOR = Role.ROLE_AGENT, Role.ROLE_ADMINISTRATOR


def ana(version: int | None, role: Role.ValueType = ADMINISTRATOR) -> Caller:
    return Caller("acme", "ana", role, session_id="s1", user_version=version)


def told(version: int, incarnation: int = 1, *, removed: bool = False) -> UserChanged:
    return UserChanged(
        tenant_id="acme",
        user_id="ana",
        version=version,
        incarnation=0 if removed else incarnation,
        removed=removed,
        role=Role.ROLE_UNSPECIFIED if removed else AGENT,
    )


@pytest.mark.parametrize(
    ("event", "version", "rank"),
    [
        (told(3), 3, ADMINISTRATOR),
        (told(3), 4, ADMINISTRATOR),
        (told(3), 2, AGENT),
        (told(3), None, AGENT),
        (told(4, removed=True), 3, None),
        (told(4, removed=True), None, None),
        (told(4, removed=True), 5, ADMINISTRATOR),
        (told(5, 5), 3, None),
        (told(5, 5), 5, ADMINISTRATOR),
        (told(6, 5), 5, AGENT),
        (told(5, 5), None, AGENT),
    ],
    ids=[
        "as new as what is known",
        "newer than what is known",
        "lowered since",
        "lowered, by another issuer",
        "removed",
        "removed, by another issuer",
        "made again, and not heard of yet",
        "made again: not the same",
        "made again: the new one",
        "made again and lowered",
        "made again, by another issuer",
    ],
)
async def test_a_token_is_believed_as_of_now(
    event: UserChanged, version: int | None, rank: Role.ValueType | None
) -> None:
    standing = HeardStanding()
    standing.user_changed(event)
    with nullcontext() if rank is not None else pytest.raises(TokenRevoked):
        assert (await standing.of(ana(version))).role == rank


async def test_who_is_unknown_or_at_another_tenant_is_believed() -> None:
    standing = HeardStanding()
    standing.user_changed(told(4, removed=True))
    other = Caller("globex", "ana", ADMINISTRATOR, session_id="s1", user_version=1)
    assert await standing.of(other) == other


async def test_what_comes_late_does_not_bring_anybody_back() -> None:
    standing = HeardStanding()
    standing.user_changed(told(4, removed=True))
    standing.user_changed(told(3))
    with pytest.raises(TokenRevoked):
        await standing.of(ana(3))


async def test_an_ended_session_is_refused_until_its_tokens_are_over() -> None:
    now = 0.0
    standing = HeardStanding(lambda: now)
    ended: list[str] = []
    standing.on_session_ended(lambda event: ended.append(event.session_id))
    standing.session_ended(SessionEnded(tenant_id="acme", user_id="ana", session_id="s1"))
    with pytest.raises(TokenRevoked):
        await standing.of(ana(3))
    now = LONGEST_TOKEN + 1
    standing.session_ended(SessionEnded(tenant_id="acme", user_id="ana", session_id="s2"))
    assert await standing.of(ana(3)) == ana(3)
    assert ended == ["s1", "s2"]
