"""The token of a visitor opens one chat of one account, for a while."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingestion.domain.errors import VisitorTokenRefused
from services.ingestion.domain.visitor import LIFETIME, RENEWABLE, Visitor, issue, verify

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ANA = Visitor("acme", "web", "v1")
HOME = ("acme", "web")


def test_a_token_names_its_visitor_and_its_end() -> None:
    seen = verify(issue(ANA, "s", NINE), HOME, ["s"], NINE)
    assert seen.visitor == ANA
    assert seen.expires_at == NINE + LIFETIME


def test_a_token_of_another_account_tenant_or_secret_is_refused() -> None:
    token = issue(ANA, "s", NINE)
    for account, secret in ((("acme", "shop"), "s"), (("other", "web"), "s"), (HOME, "t")):
        with pytest.raises(VisitorTokenRefused):
            verify(token, account, [secret], NINE)


def test_a_visitor_cannot_become_another() -> None:
    _, rest = issue(ANA, "s", NINE).split(".", 1)
    with pytest.raises(VisitorTokenRefused):
        verify(f"v2.{rest}", HOME, ["s"], NINE)


def test_a_token_ends_but_can_be_exchanged_for_a_while() -> None:
    token = issue(ANA, "s", NINE)
    with pytest.raises(VisitorTokenRefused):
        verify(token, HOME, ["s"], NINE + LIFETIME)
    verify(token, HOME, ["s"], NINE + LIFETIME, RENEWABLE)
    with pytest.raises(VisitorTokenRefused):
        verify(token, HOME, ["s"], NINE + RENEWABLE, RENEWABLE)


def test_a_token_from_the_future_is_refused() -> None:
    with pytest.raises(VisitorTokenRefused):
        verify(issue(ANA, "s", NINE), HOME, ["s"], NINE - timedelta(minutes=2))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "v1.1767603600.\u00e9", "v1.\u0661.00"])
def test_an_unreadable_token_is_refused(token: str) -> None:
    with pytest.raises(VisitorTokenRefused):
        verify(token, HOME, ["s"], NINE)
