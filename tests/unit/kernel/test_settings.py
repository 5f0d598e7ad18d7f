"""No process takes a value that means nothing: each variable, and each kind of wrong value."""

import math
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from services.kernel.dead_letters import Settings as DeadLetters
from services.kernel.env import Between, Misconfigured, from_env, is_address, types_of
from services.kernel.streams import Settings as Streams
from services.standalone.fleet import SERVICES
from services.standalone.settings import Settings as Standalone

KINDS: dict[str, Any] = {name: module.Settings for name, module in SERVICES.items()}
KINDS |= {"dead-letters": DeadLetters, "streams": Streams, "standalone": Standalone}
#: What every process starts with.
GOOD = {
    "NATS_URL": "nats://bus:4222",
    "MONGO_URL": "mongodb://store/x?replicaSet=centralita",
    "SERVICE_SECRET": "s" * 16,
}
NUMBERS = (
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e300",
    "9" * 400,
    "1_000",
    "0x10",
    "one",
    "1,5",
    "²",
    "true",
)


def _wrong(base: Any, rule: Any) -> Iterator[str]:
    """Yield values that a field of this type must refuse."""
    if base in {int, float, timedelta}:
        yield from NUMBERS
        assert isinstance(rule, Between)
        assert math.isfinite(rule.most)
        if rule.least > 0:
            yield "0"
        yield str(rule.most + 1)
    if base is int:
        yield "1.5"
    if base is bool:
        yield from ("maybe", "2", "-1", "wahr", "0.0")


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field.name) for name, kind in KINDS.items() for field in fields(kind)],
)
def test_a_value_that_means_nothing_is_refused_by_its_name(name: str, field: str) -> None:
    kind = KINDS[name]
    base, rule = types_of(kind)[field]
    for value in _wrong(base, rule):
        with pytest.raises(Misconfigured) as caught:
            from_env(kind, {**GOOD, field.upper(): value})
        assert caught.value.problems.keys() == {field.upper()}, value


@pytest.mark.parametrize("name", KINDS)
def test_every_default_keeps_its_own_rule(name: str) -> None:
    kind = KINDS[name]
    made, types = from_env(kind, GOOD), types_of(kind)
    for field in fields(kind):
        rule, value = types[field.name][1], getattr(made, field.name)
        assert rule is None or value == "" or rule.holds(value), field.name


@pytest.mark.parametrize("name", SERVICES)
def test_who_calls_others_does_not_start_without_a_secret(name: str) -> None:
    without = {key: value for key, value in GOOD.items() if key != "SERVICE_SECRET"}
    if "service_secret" not in types_of(KINDS[name]):
        return
    for secret in ("", "short"):
        with pytest.raises(Misconfigured, match="SERVICE_SECRET"):
            from_env(KINDS[name], {**without, "SERVICE_SECRET": secret})


@pytest.mark.parametrize(
    "spelt", ["true", "TRUE", "1", "yes", "On", "false", "False", "0", "no", "off", " true "]
)
def test_a_flag_may_be_spelt_as_people_do(spelt: str) -> None:
    made = from_env(KINDS["ingestion"], {**GOOD, "ALLOW_PRIVATE_CALLBACKS": spelt})
    wanted = spelt.strip().lower() in {"true", "1", "yes", "on"}
    assert made.allow_private_callbacks is wanted


@pytest.mark.parametrize(
    "good", ["0.0.0.0:50051", "directory:50051", "[::1]:0", "[::]:65535", "a.b-c:1"]
)
def test_an_address_is_a_host_and_a_port(good: str) -> None:
    assert is_address(good)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "50051",
        ":50051",
        "host:",
        "host:65536",
        "host:-1",
        "host:a",
        "::1:50051",
        "[x]:1",
        "a b:1",
    ],
)
def test_what_is_no_address_is_none(bad: str) -> None:
    assert not is_address(bad)


@pytest.mark.parametrize(
    ("variable", "bad"),
    [
        ("NATS_URL", "http://bus:4222"),
        ("NATS_URL", "nats://bus:4222,nonsense"),
        ("MONGO_URL", "nats://store"),
        ("JWKS_URL", "directory:8080"),
        ("EVENT_LOOP", "trio"),
        ("GRPC_ADDRESS", "0.0.0.0:99999"),
    ],
)
def test_a_wrong_place_is_refused_and_not_shown(variable: str, bad: str) -> None:
    with pytest.raises(Misconfigured, match=f"^{variable} must be ") as caught:
        from_env(KINDS["contacts"], {**GOOD, variable: bad})
    assert bad not in str(caught.value)
