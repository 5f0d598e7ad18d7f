"""Where a call-back may go, when it comes again, and when it is given up."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingestion.adapters.callbacks import LONGEST_WISH, is_public, retry_after
from services.ingestion.domain.delivery import (
    GIVE_UP_AFTER,
    LONGEST_DELAY,
    Delivery,
    Retry,
    next_try,
)

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_our_own_networks_are_no_place_for_a_call_back(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_the_internet_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("86400", LONGEST_WISH),
        ("9" * 400, LONGEST_WISH),
        ("Mon, 05 Jan 2026 09:00:30 GMT", timedelta(seconds=30)),
        ("Mon, 05 Jan 2026 08:00:00 GMT", timedelta(0)),
        ("", None),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, delay: timedelta | None) -> None:
    assert retry_after(text, NINE) == delay


def under_way(attempts: int) -> Delivery:
    return Delivery("acme", "c-1", "m-1", "shop", NINE, attempts)


def test_the_delay_doubles_and_has_an_end() -> None:
    delays = [next_try(under_way(n), Retry("X"), NINE) for n in range(20)]
    assert delays[:4] == [timedelta(seconds=s) for s in (1, 2, 4, 8)]
    assert delays[-1] == LONGEST_DELAY


def test_the_channel_s_wish_goes_before_ours() -> None:
    wish = Retry("X", after=timedelta(seconds=90))
    assert next_try(under_way(0), wish, NINE) == timedelta(seconds=90)


def test_after_a_day_it_is_given_up() -> None:
    almost = NINE + GIVE_UP_AFTER - timedelta(seconds=2)
    assert next_try(under_way(0), Retry("X"), almost) is not None
    assert next_try(under_way(1), Retry("X"), almost) is None
