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


def test_a_loud_visitor_does_not_use_up_the_account() -> None:
    rates = VisitorRates(Rate(1, 5), Rate(1, 2), lambda: 0.0)
    for _ in range(2):
        rates.take(WEB, "loud")
    for _ in range(20):
        with pytest.raises(RateLimited):
            rates.take(WEB, "loud")
    rates.take(WEB, "quiet")
