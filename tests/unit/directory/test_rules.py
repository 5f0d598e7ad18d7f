"""The directory's rules without anything around them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.directory.domain import fields
from services.directory.domain.channel_account import Channel, ChannelAccount
from services.directory.domain.errors import FieldInvalid, RoleTooLow, VersionStale
from services.directory.domain.group import Group
from services.directory.domain.keys import KeyPolicy, SigningKey
from services.directory.domain.queue import Queue
from services.directory.domain.routing import AgentSelection
from services.directory.domain.sign_in import (
    FREE_FAILURES,
    FREE_OF_SOURCE,
    FREE_SOURCES,
    Attempts,
    Session,
)
from services.directory.domain.slot import Slot
from services.directory.domain.user import (
    Capacity,
    Role,
    User,
    ceases_to_own,
    check_password,
    may_change,
)

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def user(role: Role = Role.AGENT, **changed: Any) -> User:
    return User(**{"email": "ana@x.example", "display_name": "Ana", "role": role, **changed})


def account(**changed: Any) -> ChannelAccount:
    given_fields = {"channel": Channel.CUSTOM, "display_name": "Shop", "queue_id": "support"}
    return ChannelAccount(**{**given_fields, **changed})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://shop.example/x",
        "javascript:alert(1)",
        "//shop.example/x",
        "http://",
        "http:///path",
        "https://user@shop.example/",
        "https://user:word@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:99999/",
        "https://shop.example:x/",
        "https://shop.example:0/",
        "https://[::1/",
        "https://shop.example/a b",
        "https://shop.example/\n",
        "https://shop.example\\@evil.example/",
        "https://tiénda.example/",
        "https://shop.example/" + "x" * 2048,
    ],
)
def test_an_address_that_is_no_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        fields.url("f", url)
    assert refused.value.details == {"field": "f", "rule": "url"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9009/replies",
        "https://shop.example/replies?shop=1&x=%20",
        "https://[2001:db8::1]:8443/",
    ],
)
def test_an_http_url_passes_unchanged(url: str) -> None:
    assert fields.url("f", url) == url


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "http://shop.example:80",
        "https://shop.example/path",
        "https://shop.example?x",
        "https://u@shop.example",
    ],
)
def test_an_origin_no_browser_would_send_is_refused(origin: str) -> None:
    with pytest.raises(FieldInvalid):
        fields.origins("f", [origin])


def test_origins_are_kept_once_in_order() -> None:
    given_origins = [
        "https://b.example",
        "http://127.0.0.1:8080",
        "http://[::1]:81",
        "https://b.example",
    ]
    assert fields.origins("f", given_origins) == (
        "http://127.0.0.1:8080",
        "http://[::1]:81",
        "https://b.example",
    )


@given(st.text())
def test_a_slug_that_passes_is_a_token_of_subjects_and_keys(text: str) -> None:
    try:
        slug = fields.slug("f", text)
    except FieldInvalid:
        return
    assert 1 <= len(slug) <= 64
    assert not set(slug) & set("./*> \n")
    assert slug.isascii()


@given(st.text())
def test_an_address_that_passes_has_two_sides_and_no_blanks(text: str) -> None:
    try:
        email = fields.email("f", text)
    except FieldInvalid:
        return
    left, right = email.split("@")
    assert left
    assert right
    assert not any(it.isspace() for it in email)


@pytest.mark.parametrize(
    ("check", "field", "rule"),
    [
        (lambda: user(email="ana").checked(), "user.email", "email"),
        (lambda: user(email="a@b\n").checked(), "user.email", "email"),
        (lambda: user(email="a@" + "b" * 254).checked(), "user.email", "email"),
        (lambda: user(capacity=Capacity(51)).checked(), "user.capacity.chats", "range"),
        (lambda: user(queue_ids=("a/b",)).checked(), "user.queue_ids", "slug"),
        (
            lambda: user(queue_ids=tuple(str(n) for n in range(1001))).checked(),
            "user.queue_ids",
            "count",
        ),
        (lambda: Group("g", ("",)).checked(), "group.user_ids", "slug"),
        (lambda: Queue("q", priority=101).checked(), "queue.priority", "range"),
        (lambda: Queue("q", priority=0).checked(), "queue.priority", "range"),
        (lambda: Queue("q", offer_timeout=SECOND / 2).checked(), "queue.offer_timeout", "range"),
        (lambda: Queue("q", offer_timeout=SECOND * 601).checked(), "queue.offer_timeout", "range"),
        (lambda: account(queue_id="").checked(), "channel_account.queue_id", "slug"),
        (
            lambda: account(callback_url="ftp://x/").checked(),
            "channel_account.callback_url",
            "url",
        ),
        (
            lambda: account(allowed_origins=("https://x",)).checked(),
            "channel_account.allowed_origins",
            "channel",
        ),
        (
            lambda: account(channel=Channel.WEBCHAT, callback_url="https://x/").checked(),
            "channel_account.callback_url",
            "channel",
        ),
        (lambda: check_password("x" * 9), "password", "length"),
        (lambda: check_password("x" * 201), "password", "length"),
        (lambda: fields.member("role", Role, 0), "role", "member"),
        (lambda: fields.member("role", AgentSelection, 9), "role", "member"),
        (lambda: fields.tenant_slug("tenant_id", "A"), "tenant_id", "slug"),
        (lambda: fields.tenant_slug("tenant_id", "x"), "tenant_id", "slug"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(
    check: Callable[[], object], field: str, rule: str
) -> None:
    with pytest.raises(FieldInvalid) as refused:
        check()
    assert refused.value.details == {"field": field, "rule": rule}


def test_a_refusal_never_repeats_what_was_sent() -> None:
    with pytest.raises(FieldInvalid) as refused:
        user(email="secret-address").checked()
    assert "secret-address" not in str(refused.value)


@pytest.mark.parametrize("actor", [Role.ADMINISTRATOR, Role.MANAGER])
@pytest.mark.parametrize("high", [Role.ADMINISTRATOR, Role.OWNER])
def test_nobody_below_an_owner_touches_administrators_and_owners(actor: Role, high: Role) -> None:
    for before, after in (
        (None, user(high)),
        (user(), user(high)),
        (user(high), user()),
        (user(high), user(high)),
        (user(high), None),
    ):
        with pytest.raises(RoleTooLow):
            may_change(actor, before, after)
        may_change(Role.OWNER, before, after)
    may_change(actor, user(Role.MANAGER), user())


def test_a_tenant_loses_an_owner_by_removal_and_by_a_lower_role() -> None:
    slot = Slot("acme", "ana", user(Role.OWNER), 3)
    assert ceases_to_own(slot, slot.emptied())
    assert ceases_to_own(slot, slot.holding(user(Role.ADMINISTRATOR)))
    assert not ceases_to_own(slot, slot.holding(user(Role.OWNER, capacity=Capacity(2))))
    assert not ceases_to_own(slot.holding(user()), slot.emptied())


def test_a_version_is_that_of_what_is_there() -> None:
    slot = Slot("acme", "ana", user(), 3)
    slot.expecting(0)
    slot.expecting(3)
    with pytest.raises(VersionStale):
        slot.expecting(2)
    with pytest.raises(VersionStale):
        slot.emptied().expecting(3)
    slot.emptied().expecting(0)


def test_a_replaced_secret_stays_good_for_the_overlap_and_older_ones_do_not() -> None:
    first = account().with_new_secret("a" * 16, NINE, SECOND)
    assert first.good_secrets(NINE + SECOND * 10**6) == ("a" * 16,)
    second = first.with_new_secret("b" * 16, NINE, SECOND)
    assert second.good_secrets(NINE) == ("b" * 16, "a" * 16)
    assert second.good_secrets(NINE + SECOND) == ("b" * 16,)
    third = second.with_new_secret("c" * 16, NINE, SECOND)
    assert third.good_secrets(NINE) == ("c" * 16, "b" * 16)


def test_secrets_and_people_do_not_show_in_logs() -> None:
    shown = repr(account().with_new_secret("s" * 16, NINE, SECOND)) + repr(user())
    assert "ssss" not in shown
    assert "ana@" not in shown


def test_five_failures_are_free_then_the_wait_doubles_to_a_minute() -> None:
    attempts = Attempts("key")
    waits = []
    for _ in range(14):
        waits.append(attempts.wait(NINE, FREE_FAILURES) // SECOND)
        attempts = attempts.failed(NINE, FREE_FAILURES)
    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert attempts.wait(NINE + SECOND * 59, FREE_FAILURES) == SECOND
    assert attempts.wait(NINE + SECOND * 60, FREE_FAILURES) == timedelta()


@pytest.mark.parametrize("free", [FREE_FAILURES, FREE_OF_SOURCE, FREE_SOURCES])
def test_what_is_free_comes_back_within_an_hour_one_by_one(free: int) -> None:
    used_up = Attempts("key")
    for _ in range(free):
        used_up = used_up.failed(NINE, free)
    one = timedelta(hours=1) / free
    assert [used_up.count(NINE + one * n, free) for n in range(free + 2)] == [
        *range(free, -1, -1),
        0,
    ]

    # However close one follows another, it is forgotten as it would be alone.
    slower, now = used_up, NINE
    for _ in range(1000):
        now += one * 1.01
        assert slower.wait(now, free) == timedelta()
        slower = slower.failed(now, free)
    assert slower.count(now, free) < free


@given(st.integers(-5, 10**6), st.integers(-(10**9), 10**9), st.sampled_from([5, 10, 50]))
def test_a_wait_is_never_longer_than_a_minute_nor_negative(
    failures: int, later: int, free: int
) -> None:
    """Whatever an earlier version has stored."""
    attempts = Attempts("key", failures, NINE)
    wait = attempts.wait(NINE + max(later, 0) * timedelta(milliseconds=1), free)
    assert timedelta() <= wait <= timedelta(minutes=1)


def test_a_session_ends_when_idle_and_at_its_end() -> None:
    session = Session("s", "acme", "ana", "p", "h", NINE + SECOND * 10, NINE + SECOND * 15)
    assert session.alive(NINE + SECOND * 9)
    assert not session.alive(NINE + SECOND * 10)
    later = session.rotated("h2", NINE + SECOND * 9, SECOND * 10)
    assert later.idle_until == NINE + SECOND * 15
    assert not later.alive(NINE + SECOND * 15)


def key(number: int, signs_from: datetime) -> SigningKey:
    return SigningKey(number, f"k{number}", b"", b"", signs_from)


@given(st.lists(st.integers(0, 10**7), max_size=60))
def test_whoever_signs_was_published_for_the_lead_and_stays_for_the_afterlife(
    pauses: list[int],
) -> None:
    """However irregularly the ring is turned."""
    policy = KeyPolicy(SECOND * 86_400, SECOND * 600, SECOND * 900)
    keys: list[SigningKey] = []
    made_at: dict[int, datetime] = {}
    last_signed: dict[int, datetime] = {}
    now = NINE
    for pause in [0, *pauses]:
        now += SECOND * pause
        signs_from = policy.next_signs_from(keys, now)
        if signs_from is not None:
            keys.append(key(len(made_at) + 1, signs_from))
            made_at[keys[-1].number] = now
        for spent in policy.spent(keys, now):
            keys.remove(spent)
            if spent.number in last_signed:
                assert now - last_signed[spent.number] >= policy.afterlife
        signer = policy.signer(keys, now)
        assert signer is not None
        assert signer.number == 1 or now - made_at[signer.number] >= policy.lead
        last_signed[signer.number] = now
