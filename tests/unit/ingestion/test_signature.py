"""Who wrote a body: golden vectors made with openssl, and everything that is not quite it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.ingestion.domain.errors import SignatureRefused
from services.ingestion.domain.signature import sign, verify

SECRET = "whsec_demo"
NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HELLO = Path("tests/payloads/custom/hello.json").read_bytes()
SHORT = b'{"providerMessageId":"m-1","senderAddress":"+15550100001","text":"Hello"}'
# printf '1767603600.%s' "$body" | openssl dgst -sha256 -hmac whsec_demo
GOLDEN = [
    (HELLO, "9a556c7ba17363d25ac73f97e0a730a1b1f1625cf02d5ba1f04c9f70019d4ff2"),
    (SHORT, "6e032610dfd662aa60a8095ccf75f685819b42eef5fcf7732f87d617bf4693ea"),
    (b"", "31b9f9d4724895914cb2ebed6dd14bee8f1c5ee80c1418dc81248c9b6abb4631"),
]


@pytest.mark.parametrize(("body", "mac"), GOLDEN)
def test_a_signature_is_the_one_that_others_compute(body: bytes, mac: str) -> None:
    header = f"t=1767603600,v1={mac}"
    assert sign(SECRET, body, NINE) == header
    verify(header, body, [SECRET], NINE)


def test_any_flipped_bit_of_the_body_is_noticed() -> None:
    header = sign(SECRET, SHORT, NINE)
    for bit in range(len(SHORT) * 8):
        flipped = bytearray(SHORT)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SignatureRefused):
            verify(header, bytes(flipped), [SECRET], NINE)


def test_any_changed_sign_of_the_header_is_noticed() -> None:
    header = sign(SECRET, SHORT, NINE)
    for at, sign_there in enumerate(header):
        for other in "0a,=;\N{LATIN SMALL LETTER E WITH ACUTE}":
            if other != sign_there:
                with pytest.raises(SignatureRefused):
                    verify(header[:at] + other + header[at + 1 :], SHORT, [SECRET], NINE)


@pytest.mark.parametrize("age", [timedelta(seconds=301), timedelta(seconds=-301)])
def test_a_replayed_or_early_signature_is_refused(age: timedelta) -> None:
    with pytest.raises(SignatureRefused):
        verify(sign(SECRET, SHORT, NINE), SHORT, [SECRET], NINE + age)


@pytest.mark.parametrize("age", [timedelta(seconds=300), timedelta(seconds=-300)])
def test_a_clock_may_be_five_minutes_off(age: timedelta) -> None:
    verify(sign(SECRET, SHORT, NINE), SHORT, [SECRET], NINE + age)


def test_a_moment_changed_alone_is_refused() -> None:
    header = sign(SECRET, SHORT, NINE).replace("t=1767603600", "t=1767603900")
    with pytest.raises(SignatureRefused):
        verify(header, SHORT, [SECRET], NINE + timedelta(seconds=300))


def test_the_secret_before_the_last_is_good_while_it_overlaps() -> None:
    verify(sign("old", SHORT, NINE), SHORT, ["new", "old"], NINE)
    with pytest.raises(SignatureRefused):
        verify(sign("old", SHORT, NINE), SHORT, ["new"], NINE)


@pytest.mark.parametrize(
    "known", [["new"], ["old"], ["new", "old"], ["old", "new"], ["other", "old"]]
)
def test_what_is_signed_with_each_good_secret_is_taken_by_who_knows_one(known: list[str]) -> None:
    header = sign("new", SHORT, NINE, "old")
    assert header.count("v1=") == 2
    verify(header, SHORT, known, NINE)
    with pytest.raises(SignatureRefused):
        verify(header, SHORT, ["other"], NINE)


def test_one_of_two_signatures_suffices() -> None:
    right = sign(SECRET, SHORT, NINE)
    verify(f"{right},v1={'0' * 64}", SHORT, [SECRET], NINE)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_an_account_without_a_secret_verifies_nothing(secrets: list[str]) -> None:
    with pytest.raises(SignatureRefused):
        verify(sign("", SHORT, NINE), SHORT, secrets, NINE)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1767603600",
        "v1=00",
        "t=,v1=00",
        "t=-1767603600,v1=00",
        "t=1767603600,t=1767603600,v1=00",
        "t=\N{ARABIC-INDIC DIGIT ONE},v1=00",
        "t=9999999999999,v1=00",
        "t=1767603600," + "v1=00," * 100,
        "sha256=00",
    ],
)
def test_an_unreadable_header_is_refused(header: str) -> None:
    with pytest.raises(SignatureRefused):
        verify(header, SHORT, [SECRET], NINE)
