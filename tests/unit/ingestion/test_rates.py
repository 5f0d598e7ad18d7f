"""How much at once."""

import pytest

from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.errors import RateLimited
from services.ingestion.domain.rates import Limiter, Rate, VisitorRates

WEB = ChannelAccount("acme", "web", Channel.WEBCHAT, "sales", ("s",))


def test_a_burst_passes_then_the_rate_holds() -> None:
    limiter = Limiter(Rate(per_second=2, burst=3))
    for _ in range(3):
        limiter.take("k", 0.0)
    with pytest.raises(RateLimited) as no:
        limiter.take("k", 0.0)
    assert no.value.retry_after == 1
    limiter.take("k", 0.5)
    with pytest.raises(RateLimited):
        limiter.take("k", 0.6)


def test_what_is_refused_costs_nothing() -> None:
    limiter = Limiter(Rate(per_second=1, burst=1))
    limiter.take("k", 0.0)
    for _ in range(5):
        with pytest.raises(RateLimited):
            limiter.take("k", 0.5)
    limiter.take("k", 1.0)


def test_the_longest_quiet_key_is_forgotten_first() -> None:
    limiter = Limiter(Rate(per_second=0.001, burst=1), most_keys=2)
    for key in ("a", "b", "c"):
        limiter.take(key, 0.0)
    limiter.take("a", 0.0)
    with pytest.raises(RateLimited):
        limiter.take("c", 0.0)


def rates(account: int, client: int, visitor: int) -> VisitorRates:
    """Rates of these bursts, on a clock that stands still."""
    return VisitorRates(
        account=Rate(1, account), client=Rate(1, client), visitor=Rate(1, visitor), now=lambda: 0.0
    )


def test_a_loud_visitor_uses_up_neither_the_client_nor_the_account() -> None:
    ours = rates(account=5, client=4, visitor=2)
    for _ in range(2):
        ours.take(WEB, "office", "loud")
    for _ in range(20):
        with pytest.raises(RateLimited):
            ours.take(WEB, "office", "loud")
    ours.take(WEB, "office", "quiet")
    ours.take(WEB, "home", "quiet")


def test_a_client_with_ever_new_visitors_does_not_use_up_the_account() -> None:
    ours = rates(account=5, client=3, visitor=2)
    for number in range(3):
        ours.take(WEB, "stranger", f"visitor-{number}")
    for number in range(20):
        with pytest.raises(RateLimited):
            ours.take(WEB, "stranger", f"another-{number}")
    for _ in range(2):
        ours.take(WEB, "home", "quiet")


def test_whoever_did_not_come_through_the_edge_is_one_client() -> None:
    ours = rates(account=5, client=1, visitor=2)
    ours.take(WEB, "", "one")
    with pytest.raises(RateLimited):
        ours.take(WEB, "", "two")
