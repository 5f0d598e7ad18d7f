"""Sign-in, sessions and service secrets, with fakes and a clock that stands still."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from services.directory.domain.errors import (
    FieldInvalid,
    ServiceSecretRefused,
    SessionEnded,
    SignInRefused,
    SignInThrottled,
)
from services.directory.domain.slot import Slot
from services.directory.domain.user import Password, Role, User
from services.directory.use_cases.sessions import (
    AT_ONCE,
    IssueServiceToken,
    OpenSession,
    RefreshSession,
    SessionPolicy,
    SignIn,
    SignOut,
)
from tests.streams import until
from tests.unit.directory.fakes import (
    CountingPasswords,
    MemoryAttempts,
    MemorySessions,
    MemoryUsers,
    SpokenTokens,
    Time,
)

POLICY = SessionPolicy(idle=timedelta(hours=12), longest=timedelta(days=7))
ANA = Password("p1", "hash of right-password")


class Door:
    """Everything of a sign-in, around one clock."""

    def __init__(self) -> None:
        self.time = Time()
        self.users = MemoryUsers()
        self.passwords = CountingPasswords()
        self.attempts = MemoryAttempts()
        self.sessions = MemorySessions()
        tokens = SpokenTokens()
        opened = OpenSession(self.sessions, tokens, self.time, POLICY)
        self.sign_in = SignIn(self.users, self.passwords, self.attempts, opened, self.time)
        self.refresh = RefreshSession(self.users, self.sessions, tokens, self.time, POLICY)
        self.sign_out = SignOut(self.sessions)


@pytest.fixture
async def door() -> Door:
    door = Door()
    ana = User("Ana@x.example", "Ana", Role.SUPERVISOR, password=ANA)
    await door.users.save(Slot("acme", "ana", ana))
    await door.users.save(Slot("acme", "bot", User("bot@x.example", "Bot", Role.AGENT)))
    return door


async def test_who_signs_in_gets_tokens_for_what_they_are(door: Door) -> None:
    done = await door.sign_in("acme", "ana@X.example", "right-password")
    assert done.access.text == "acme/ana/SUPERVISOR"
    assert not any(it.failures for it in door.attempts.known.values())


@pytest.mark.parametrize(
    ("tenant", "email", "password"),
    [
        ("acme", "ana@x.example", "wrong-password"),
        ("acme", "nobody@x.example", "right-password"),
        ("acme", "bot@x.example", "right-password"),
        ("other", "ana@x.example", "right-password"),
    ],
)
async def test_every_refusal_costs_one_verification(
    door: Door, tenant: str, email: str, password: str
) -> None:
    with pytest.raises(SignInRefused) as refused:
        await door.sign_in(tenant, email, password)
    assert refused.value.details == {}
    assert len(door.passwords.verified) == 1


async def test_an_absurdly_long_password_is_not_hashed_whole(door: Door) -> None:
    with pytest.raises(SignInRefused):
        await door.sign_in("acme", "ana@x.example", "right-password" * 100_000)


async def test_a_throttled_sign_in_costs_no_verification_and_ends(door: Door) -> None:
    for _ in range(5):
        with pytest.raises(SignInRefused):
            await door.sign_in("acme", "ana@x.example", "wrong-password")
    with pytest.raises(SignInThrottled) as throttled:
        await door.sign_in("acme", "ANA@x.example", "right-password")
    assert throttled.value.details == {"retryAfterSeconds": "1"}
    assert len(door.passwords.verified) == 5
    with pytest.raises(SignInRefused):
        await door.sign_in("acme", "bot@x.example", "wrong-password")
    door.time.now += timedelta(seconds=1)
    await door.sign_in("acme", "ana@x.example", "right-password")
    with pytest.raises(SignInRefused):
        await door.sign_in("acme", "ana@x.example", "wrong-password")


async def test_a_strangers_guesses_lock_nobody_out_but_the_stranger(door: Door) -> None:
    """Four a second from one address, for an hour; the owner has never been here before."""
    for quarter in range(4 * 3600):
        door.time.now += timedelta(seconds=0.25)
        with pytest.raises((SignInRefused, SignInThrottled)):
            await door.sign_in("acme", "ana@x.example", "wrong-password", "192.0.2.66")
        if quarter % 150 == 0:
            await door.sign_in("acme", "ana@x.example", "right-password", "198.51.100.1")
    guesses = len(door.passwords.verified) - 96
    assert guesses > 10, "the count of it can be trusted"
    assert guesses < 100, "about one a minute"


async def test_strangers_at_many_addresses_hold_up_only_who_was_never_there(door: Door) -> None:
    ana = ("acme", "ana@x.example", "right-password")
    await door.sign_in(*ana, "198.51.100.1")
    for host in range(30):
        for _ in range(5):
            with suppress(SignInRefused, SignInThrottled):
                await door.sign_in("acme", "ana@x.example", "wrong-password", f"192.0.2.{host}")
    await door.sign_in(*ana, "198.51.100.1")
    with pytest.raises(SignInThrottled):
        await door.sign_in(*ana, "198.51.100.2")
    with pytest.raises(SignInRefused):
        await door.sign_in("acme", "bot@x.example", "wrong-password", "198.51.100.2")


async def test_one_address_may_not_guess_at_every_name(door: Door) -> None:
    for n in range(50):
        with pytest.raises(SignInRefused):
            await door.sign_in("acme", f"user-{n}@x.example", "wrong-password", "192.0.2.66")
    with pytest.raises(SignInThrottled):
        await door.sign_in("acme", "user-50@x.example", "wrong-password", "192.0.2.66")
    await door.sign_in("acme", "ana@x.example", "right-password", "198.51.100.1")


async def test_in_a_crowd_nobody_is_counted_whose_password_was_not_looked_at(door: Door) -> None:
    door.passwords.crowded = True
    for _ in range(20):
        with pytest.raises(SignInThrottled):
            await door.sign_in("acme", "ana@x.example", "right-password", "198.51.100.1")
    door.passwords.crowded = False
    await door.sign_in("acme", "ana@x.example", "right-password", "198.51.100.1")


OFFICE = "198.51.100.1"


async def hired(door: Door, count: int) -> list[str]:
    """Make users whose password is right, and return their addresses."""
    emails = [f"agent-{n}@x.example" for n in range(count)]
    for email in emails:
        user_id = email.partition("@")[0]
        user = User(email, user_id, Role.AGENT, password=ANA)
        await door.users.save(Slot("acme", user_id, user))
    return emails


async def test_an_office_behind_one_address_signs_in_all_at_once(door: Door) -> None:
    """Nobody has been looked at when the last of them comes."""
    emails = await hired(door, 200)
    door.passwords.slow = 0.001
    await asyncio.gather(
        *(door.sign_in("acme", email, "right-password", OFFICE) for email in emails)
    )
    assert door.passwords.most_at_once == AT_ONCE
    assert door.attempts.known == {}


async def test_somebody_signs_in_on_all_their_devices_at_once(door: Door) -> None:
    ana = ("acme", "ana@x.example", "right-password", OFFICE)
    await asyncio.gather(*(door.sign_in(*ana) for _ in range(12)))
    assert len(door.sessions.known) == 12


async def test_a_thousand_guesses_made_at_once_are_not_ahead_of_the_count(door: Door) -> None:
    guesses = (
        door.sign_in("acme", f"user-{n}@x.example", "wrong-password", OFFICE) for n in range(1000)
    )
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert {type(it) for it in outcomes} == {SignInRefused, SignInThrottled}
    assert 50 <= len(door.passwords.verified) < 50 + AT_ONCE


async def test_guesses_that_nobody_waits_for_count_as_well(door: Door) -> None:
    door.passwords.slow = 60
    for n in range(50):
        guess = asyncio.ensure_future(
            door.sign_in("acme", f"user-{n}@x.example", "wrong-password", OFFICE)
        )
        await until(lambda: door.passwords.at_once)
        guess.cancel()
        with pytest.raises(asyncio.CancelledError):
            await guess
    with pytest.raises(SignInThrottled):
        await door.sign_in("acme", "user-50@x.example", "wrong-password", OFFICE)


async def test_in_an_office_that_never_sleeps_typos_are_forgotten(door: Door) -> None:
    """Forty an hour for three days, each by somebody else, and somebody signs in all the time."""
    emails = await hired(door, 10)
    for minute in range(0, 3 * 24 * 60 * 2, 3):
        door.time.now += timedelta(minutes=1.5)
        email = emails[minute % 10]
        with pytest.raises(SignInRefused):
            await door.sign_in("acme", email, "right-pasword", OFFICE)
        await door.sign_in("acme", email, "right-password", OFFICE)


async def test_a_program_with_an_old_password_does_not_hold_up_its_office(door: Door) -> None:
    for second in range(0, 24 * 3600, 20):
        door.time.now += timedelta(seconds=20)
        with pytest.raises((SignInRefused, SignInThrottled)):
            await door.sign_in("acme", "bot@x.example", "old-password", OFFICE)
        if second % 600 == 0:
            await door.sign_in("acme", "ana@x.example", "right-password", OFFICE)
    assert len(door.passwords.verified) < 24 * 70


async def test_who_signs_in_moves_nobodys_wait(door: Door) -> None:
    for n in range(50):
        with pytest.raises(SignInRefused):
            await door.sign_in("acme", f"user-{n}@x.example", "wrong-password", OFFICE)
    for _ in range(3):
        door.time.now += timedelta(seconds=1)
        await door.sign_in("acme", "ana@x.example", "right-password", OFFICE)


async def test_empty_parts_are_refused(door: Door) -> None:
    with pytest.raises(FieldInvalid):
        await door.sign_in("", "ana@x.example", "right-password")


async def test_a_session_goes_on_until_it_is_idle(door: Door) -> None:
    token = (await door.sign_in("acme", "ana@x.example", "right-password")).refresh_token
    for _ in range(3):
        door.time.now += timedelta(hours=11)
        token = (await door.refresh(token)).refresh_token
    door.time.now += timedelta(hours=12)
    with pytest.raises(SessionEnded):
        await door.refresh(token)
    assert door.sessions.known == {}


async def test_a_session_ends_after_its_longest_time(door: Door) -> None:
    token = (await door.sign_in("acme", "ana@x.example", "right-password")).refresh_token
    for _ in range(16):  # 160 hours of 168
        door.time.now += timedelta(hours=10)
        token = (await door.refresh(token)).refresh_token
    door.time.now += timedelta(hours=10)
    with pytest.raises(SessionEnded):
        await door.refresh(token)


async def test_an_old_refresh_token_ends_the_whole_session(door: Door) -> None:
    first = (await door.sign_in("acme", "ana@x.example", "right-password")).refresh_token
    other = (await door.sign_in("acme", "ana@x.example", "right-password")).refresh_token
    second = (await door.refresh(first)).refresh_token
    for token in (first, second):
        with pytest.raises(SessionEnded):
            await door.refresh(token)
    await door.refresh(other)  # a session of its own


async def test_signing_out_ends_the_session(door: Door) -> None:
    token = (await door.sign_in("acme", "ana@x.example", "right-password")).refresh_token
    await door.sign_out(token)
    await door.sign_out("nonsense")
    with pytest.raises(SessionEnded):
        await door.refresh(token)


async def test_refresh_tokens_are_not_kept_readable(door: Door) -> None:
    token = (await door.sign_in("acme", "ana@x.example", "right-password")).refresh_token
    (session,) = door.sessions.known.values()
    assert token.partition(".")[2] not in repr(session)


def test_a_service_needs_its_own_secret() -> None:
    issue = IssueServiceToken({"ingestion": "s" * 16}, SpokenTokens())
    assert issue("ingestion", "s" * 16).text == "service:ingestion"
    for name, secret in (("ingestion", "x" * 16), ("ingestion", ""), ("nobody", ""), ("", "")):
        with pytest.raises(ServiceSecretRefused):
            issue(name, secret)
