"""Only what the trust root says is believed, and a method without a rule is closed."""

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from centralita.contacts.v1 import contacts_service_pb2
from centralita.options.v1.options_pb2 import AccessOptions, Role
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from grpc_health.v1 import health_pb2
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from services.kernel.identity import (
    ANYONE,
    Caller,
    Claims,
    Guard,
    NotAdmitted,
    RoleTooLow,
    RuleMissing,
    ServiceNotAllowed,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    acting_as,
    caller,
    rules_of,
)
from services.kernel.keys import FixedKeys, usable_keys
from services.kernel.tokens import Tokens
from tests.tokens import AUDIENCE, ISSUER, Issuer

ROOT = Issuer()
AGENT = AccessOptions(least_role=Role.ROLE_AGENT)
IN_2100 = 4_102_444_800


def now() -> int:
    """The moment of the test: that of the import is minutes ago in a long run."""
    return int(time.time())


def guard_for(*keys: dict[str, Any]) -> Guard:
    return Guard(FixedKeys({"keys": list(keys)}), ISSUER)


def claims(**other: object) -> dict[str, object]:
    whole = {"iss": ISSUER, "aud": AUDIENCE, "iat": now(), "exp": now() + 900, "sub": "ana"}
    return {**whole, "tenant": "acme", "role": "agent", **other}


async def test_a_user_is_who_the_token_says() -> None:
    who = await ROOT.guard().verify(ROOT.user("acme", "ana", "manager"))
    assert (who.tenant_id, who.user_id, who.role) == ("acme", "ana", Role.ROLE_MANAGER)
    assert who.service == ""
    assert timedelta() < who.expires_at - datetime.now(UTC) <= timedelta(minutes=15)


async def test_a_service_has_no_tenant_even_if_its_token_names_one() -> None:
    who = await ROOT.guard().verify(ROOT.service("voice", tenant="acme", role="owner"))
    assert (who.service, who.tenant_id, who.user_id) == ("voice", "", "")
    assert who.role == Role.ROLE_UNSPECIFIED


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.test"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 10**30},
        {"iat": None},
        {"iat": IN_2100},
        {"nbf": IN_2100},
        {"sub": None},
        {"sub": "service:voice"},
        {"sub": "ana.>"},
        {"sub": ""},
        {"tenant": None},
        {"tenant": ""},
        {"tenant": "*"},
        {"tenant": ["acme"]},
        {"role": None},
        {"role": "emperor"},
        {"role": "unspecified"},
        {"role": 5},
        {"service": "voice"},
        {"service": ""},
        {"service": "voice", "sub": "service:contacts"},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TokenInvalid):
        await ROOT.guard().verify(ROOT.user(**wrong))  # type: ignore[arg-type]  # claims of any kind


async def test_an_expired_token_is_refused_as_such() -> None:
    with pytest.raises(TokenExpired):
        await ROOT.guard().verify(ROOT.user(exp=now() - 60))


async def test_clocks_may_be_a_little_apart() -> None:
    assert await ROOT.guard().verify(ROOT.user(exp=now() - 2))


async def test_a_remembered_token_expires_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(FixedKeys(ROOT.jwks), ISSUER, AUDIENCE, Claims())
    token = ROOT.user(exp=now() + 3)
    await tokens.verify(token)
    who, kid, key = tokens._known[token]
    tokens._known[token] = replace(who, expires_at=datetime.now(UTC)), kid, key
    monkeypatch.setattr(tokens, "_read", _expired)
    with pytest.raises(TokenExpired):
        await tokens.verify(token)


def _expired(*_: object) -> Caller:
    raise jwt.ExpiredSignatureError


async def test_a_remembered_token_dies_with_its_key() -> None:
    keys = FixedKeys(ROOT.jwks)
    guard, token = Guard(keys, ISSUER), ROOT.user()
    await guard.verify(token)
    keys._keys = usable_keys(Issuer(kid=ROOT.kid).jwks)
    with pytest.raises(TokenInvalid):
        await guard.verify(token)
    keys._keys = {}
    with pytest.raises(TokenInvalid):
        await guard.verify(token)


DEEP = f"{urlsafe_b64encode(b'[' * 100_000).decode()}.e30.AA"
"""A header in which lists hold lists."""


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "Bearer", "\udcff.\udcfe.", DEEP])
async def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        await ROOT.guard().verify(token)


async def test_a_token_of_another_root_is_refused_though_it_borrows_the_key_id() -> None:
    with pytest.raises(TokenInvalid):
        await ROOT.guard().verify(Issuer(kid=ROOT.kid).user())


async def test_an_unknown_key_id_is_refused() -> None:
    with pytest.raises(TokenInvalid):
        await ROOT.guard().verify(Issuer(kid="unknown").user())


async def test_an_unsigned_token_is_refused() -> None:
    token = jwt.encode(claims(), "", algorithm="none", headers={"kid": ROOT.kid})
    with pytest.raises(TokenInvalid):
        await ROOT.guard().verify(token)


async def test_the_public_key_is_no_secret_to_sign_with() -> None:
    public = ROOT.key.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    token = jwt.encode(claims(), public, algorithm="HS256", headers={"kid": ROOT.kid})
    with pytest.raises(TokenInvalid):
        await ROOT.guard().verify(token)


async def test_a_changed_payload_breaks_the_signature() -> None:
    head, _, signature = ROOT.user(role="agent").split(".")
    forged = urlsafe_b64encode(json.dumps(claims(role="owner")).encode()).decode().rstrip("=")
    with pytest.raises(TokenInvalid):
        await ROOT.guard().verify(f"{head}.{forged}.{signature}")


async def test_keys_of_other_issuers_work_too() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    modulus = rsa.generate_private_key(65537, 2048)
    guard = guard_for(
        {**ECAlgorithm.to_jwk(curve.public_key(), as_dict=True), "kid": "ec"},
        {**RSAAlgorithm.to_jwk(modulus.public_key(), as_dict=True), "kid": "rsa"},
    )
    for key, algorithm, kid in ((curve, "ES256", "ec"), (modulus, "RS256", "rsa")):
        token = jwt.encode(claims(), key, algorithm=algorithm, headers={"kid": kid})
        assert (await guard.verify(token)).user_id == "ana"


async def test_claims_may_have_other_names() -> None:
    names = Claims(tenant="org", user="uid", role="rank")
    guard = Guard(FixedKeys(ROOT.jwks), ISSUER, claims=names)
    token = ROOT.user(tenant=None, sub="auth0|1", org="acme", uid="ana", rank="owner", role=None)  # type: ignore[arg-type]  # None removes one
    who = await guard.verify(token)
    assert (who.tenant_id, who.user_id, who.role) == ("acme", "ana", Role.ROLE_OWNER)


def test_symmetric_weak_and_unnamed_keys_are_left_out() -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key()
    document = {
        "keys": [
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
            {**RSAAlgorithm.to_jwk(weak, as_dict=True), "kid": "weak"},
            {**ROOT.jwks["keys"][0], "kid": ""},
            {**ROOT.jwks["keys"][0], "kid": "encrypts", "use": "enc"},
            {**ROOT.jwks["keys"][0], "kid": "pinned", "alg": "HS256"},
            {"kty": "OKP"},
            "nonsense",
        ]
    }
    assert usable_keys(document) == {}
    assert usable_keys([]) == usable_keys(None) == usable_keys({"keys": "x"}) == {}


async def admitted(rule: AccessOptions | None, token: str) -> Caller:
    return await ROOT.guard().admit(rule, f"Bearer {token}")


async def test_nobody_is_admitted_without_a_rule() -> None:
    for token in (ROOT.user(role="owner"), ROOT.service("voice")):
        with pytest.raises(RuleMissing):
            await admitted(None, token)
        with pytest.raises(NotAdmitted):
            await admitted(AccessOptions(), token)


async def test_anyone_is_admitted_where_anyone_is_and_stays_nobody() -> None:
    assert await admitted(AccessOptions(anyone=True), ROOT.user()) is ANYONE


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi"])
async def test_a_token_must_be_sent(header: str) -> None:
    with pytest.raises(TokenMissing):
        await ROOT.guard().admit(AGENT, header)


async def test_a_rank_opens_its_own_doors_and_those_below() -> None:
    roles = ["agent", "supervisor", "manager", "administrator", "owner"]
    for needed in range(1, 6):
        rule = AccessOptions(least_role=Role.ValueType(needed))
        for held, name in enumerate(roles, 1):
            token = ROOT.user(role=name)
            if held >= needed:
                assert (await admitted(rule, token)).role == held
            else:
                with pytest.raises(RoleTooLow) as caught:
                    await admitted(rule, token)
                assert caught.value.details == {"leastRole": roles[needed - 1]}


async def test_a_service_is_admitted_by_name_only() -> None:
    assert (await admitted(AccessOptions(services=["voice"]), ROOT.service("voice"))).service
    for rule in (AGENT, AccessOptions(services=["contacts"])):
        with pytest.raises(ServiceNotAllowed):
            await admitted(rule, ROOT.service("voice"))
    with pytest.raises(ServiceNotAllowed):
        await admitted(AccessOptions(services=["voice"]), ROOT.user(role="owner"))


def test_there_is_a_caller_only_within_a_call() -> None:
    with pytest.raises(LookupError):
        caller()
    ana = Caller("acme", "ana", Role.ROLE_AGENT)
    with acting_as(ana):
        assert caller() is ana
    with pytest.raises(LookupError):
        caller()


def test_rules_are_read_from_the_descriptors() -> None:
    name = contacts_service_pb2.DESCRIPTOR.services_by_name["ContactsService"].full_name
    rules = rules_of(name)
    assert list(rules["ResolveContact"].services) == ["conversations"]
    assert rules["GetContact"].least_role == Role.ROLE_AGENT
    assert rules_of(health_pb2.DESCRIPTOR.services_by_name["Health"].full_name) == {}
