"""Signing in over real gRPC: tokens that verify, sessions that end, and what is never told."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import jwt
from centralita.directory.v1.directory_service_pb2 import (
    DeleteUserRequest,
    GetTenantRequest,
    GetUserRequest,
    PutUserRequest,
)
from centralita.directory.v1.session_service_pb2 import (
    IssueServiceTokenRequest,
    RefreshSessionRequest,
    SignInRequest,
    SignOutRequest,
)
from centralita.options.v1.options_pb2 import ROLE_OWNER
from jwt import PyJWK

from services.directory.__main__ import service
from services.directory.adapters.passwords import MOST_WAITING, Cost, argon_passwords
from services.directory.settings import Settings
from services.kernel.client_network import HEADER
from services.kernel.mongo import Database
from tests.integration.directory.installation import PASSWORD, Installation, refusal

OLGA = SignInRequest(tenant_id="demo", email="olga@demo.example", password=PASSWORD)


async def key_set(installation: Installation) -> tuple[dict[str, Any], str]:
    url = f"http://{installation.http_address}/.well-known/jwks.json"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.json(), response.headers["Cache-Control"]


def wrong(**changed: str) -> SignInRequest:
    request = SignInRequest()
    request.CopyFrom(OLGA)
    for name, value in changed.items():
        setattr(request, name, value)
    return request


async def test_a_token_verifies_with_the_published_keys_and_says_who_it_is(
    directory: Installation,
) -> None:
    answer = await directory.sessions.SignIn(OLGA)
    keys, cached = await key_set(directory)
    assert set(keys["keys"][0]) == {"kty", "crv", "x", "kid", "alg", "use"}
    assert "max-age=" in cached
    token = answer.tokens.access_token
    assert jwt.get_unverified_header(token)["kid"] == keys["keys"][0]["kid"]
    claims = jwt.decode(
        token,
        PyJWK(keys["keys"][0]),
        algorithms=["EdDSA"],
        audience="centralita",
        issuer="centralita",
    )
    assert (claims["sub"], claims["tenant"], claims["role"]) == ("olga", "demo", "owner")
    assert claims["exp"] - claims["iat"] == 900 == answer.tokens.expires_in.seconds
    assert claims["jti"]
    assert (answer.user_id, answer.role) == ("olga", ROLE_OWNER)


async def test_the_address_counts_without_regard_to_case(directory: Installation) -> None:
    answer = await directory.sessions.SignIn(wrong(email="OLGA@Demo.Example"))
    assert answer.user_id == "olga"


async def test_every_wrong_part_is_refused_in_the_same_words(directory: Installation) -> None:
    refusals = [
        await refusal(directory.sessions.SignIn(wrong(**changed)))
        for changed in (
            {"password": "not-the-password"},
            {"password": PASSWORD * 20},
            {"email": "nobody@demo.example"},
            {"tenant_id": "nowhere"},
            {"tenant_id": "acme"},
            {"tenant_id": "demo/x"},
        )
    ]
    assert {(it.code, it.reason, str(it.details)) for it in refusals} == {
        ("UNAUTHENTICATED", "SIGN_IN_REFUSED", "{}")
    }


async def test_an_empty_part_is_named(directory: Installation) -> None:
    for field in ("tenant_id", "email", "password"):
        told = await refusal(directory.sessions.SignIn(wrong(**{field: ""})))
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
        assert told.details == {"field": field, "rule": "required"}


async def test_guesses_made_at_once_are_counted_one_by_one(directory: Installation) -> None:
    guesses = [
        refusal(directory.sessions.SignIn(wrong(password=f"guess-number-{n}"))) for n in range(12)
    ]
    reasons = [it.reason for it in await asyncio.gather(*guesses)]
    assert reasons.count("SIGN_IN_REFUSED") == 5
    told = await refusal(directory.sessions.SignIn(OLGA))
    assert (told.code, told.reason) == ("RESOURCE_EXHAUSTED", "SIGN_IN_THROTTLED")
    assert int(told.details["retryAfterSeconds"]) >= 1


async def test_guesses_from_elsewhere_do_not_hold_up_the_owner(directory: Installation) -> None:
    def at(address: str) -> list[tuple[str, str]]:
        return [(HEADER, address)]

    for n in range(8):
        guess = directory.sessions.SignIn(wrong(password=f"guess-{n}"), metadata=at("192.0.2.66"))
        told = await refusal(guess)
    assert told.reason == "SIGN_IN_THROTTLED"
    answer = await directory.sessions.SignIn(OLGA, metadata=at("198.51.100.1"))
    assert answer.user_id == "olga"
    told = await refusal(directory.sessions.SignIn(OLGA, metadata=at("192.0.2.66")))
    assert told.reason == "SIGN_IN_THROTTLED"


async def test_no_more_passwords_are_looked_at_than_can_be() -> None:
    with argon_passwords(Cost(passes=1, memory_kib=8, threads=1)) as passwords:
        looks = [asyncio.ensure_future(passwords.verify(None, "x")) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        assert passwords.busy()
        await asyncio.gather(*looks)
        assert not passwords.busy()


async def test_a_throttle_holds_at_every_replica_and_for_one_person_only(
    settings: Settings, directory: Installation
) -> None:
    for n in range(5):
        await refusal(directory.sessions.SignIn(wrong(password=f"guess-number-{n}")))
    async with service(settings) as running, Installation.at(running) as other:
        assert (await refusal(other.sessions.SignIn(OLGA))).reason == "SIGN_IN_THROTTLED"
        assert (await other.signed_in("ana")).user_id == "ana"


async def test_a_refresh_token_works_once_and_twice_ends_the_session(
    directory: Installation,
) -> None:
    first = (await directory.signed_in("ana")).tokens.refresh_token
    second = await directory.sessions.RefreshSession(RefreshSessionRequest(refresh_token=first))
    caller = directory.with_token(second.tokens.access_token)
    assert (await caller.directory.GetTenant(GetTenantRequest())).tenant.tenant_id == "demo"

    for token in (first, second.tokens.refresh_token):
        again = directory.sessions.RefreshSession(RefreshSessionRequest(refresh_token=token))
        told = await refusal(again)
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "SESSION_ENDED")


async def test_a_refresh_token_used_twice_at_once_ends_the_session(
    directory: Installation,
) -> None:
    first = (await directory.signed_in("ana")).tokens.refresh_token
    request = RefreshSessionRequest(refresh_token=first)
    answers = await asyncio.gather(
        *(directory.sessions.RefreshSession(request) for _ in range(8)), return_exceptions=True
    )
    good = [it for it in answers if not isinstance(it, BaseException)]
    assert len(good) <= 1
    for it in good:
        request = RefreshSessionRequest(refresh_token=it.tokens.refresh_token)
        assert (await refusal(directory.sessions.RefreshSession(request))).reason == "SESSION_ENDED"


async def test_signing_out_ends_the_session_and_unknown_tokens_are_answered_alike(
    directory: Installation,
) -> None:
    token = (await directory.signed_in("ana")).tokens.refresh_token
    for it in (token, token, "nonsense", "a.b", "", "x" * 5000):
        await directory.sessions.SignOut(SignOutRequest(refresh_token=it))
    for it in (token, "nonsense", "a.b", "", "x" * 5000):
        request = RefreshSessionRequest(refresh_token=it)
        assert (await refusal(directory.sessions.RefreshSession(request))).reason == "SESSION_ENDED"


async def test_a_new_password_and_a_removal_end_sessions(directory: Installation) -> None:
    olga = (await directory.as_user("olga")).directory
    ana = (await directory.signed_in("ana")).tokens.refresh_token
    sam = (await directory.signed_in("sam")).tokens.refresh_token
    user = (await olga.GetUser(GetUserRequest(user_id="ana"))).user
    await olga.PutUser(PutUserRequest(user=user, password="a-new-password"))
    await olga.DeleteUser(DeleteUserRequest(user_id="sam"))
    for token in (ana, sam):
        request = RefreshSessionRequest(refresh_token=token)
        assert (await refusal(directory.sessions.RefreshSession(request))).reason == "SESSION_ENDED"
    told = await refusal(directory.signed_in("ana"))
    assert told.reason == "SIGN_IN_REFUSED"
    known = wrong(email="ana@demo.example", password="a-new-password")
    assert (await directory.sessions.SignIn(known)).user_id == "ana"


async def test_a_refresh_takes_the_role_of_today(directory: Installation) -> None:
    olga = (await directory.as_user("olga")).directory
    token = (await directory.signed_in("adam")).tokens.refresh_token
    user = (await olga.GetUser(GetUserRequest(user_id="adam"))).user
    user.role = 1
    await olga.PutUser(PutUserRequest(user=user))
    fresh = await directory.sessions.RefreshSession(RefreshSessionRequest(refresh_token=token))
    claims = jwt.decode(fresh.tokens.access_token, options={"verify_signature": False})
    assert claims["role"] == "agent"


async def test_an_expired_token_and_a_forged_one_are_refused(settings: Settings) -> None:
    brief = replace(settings, access_token_lifetime=timedelta(seconds=-60))
    async with service(brief) as running, Installation.at(running) as installation:
        expired = await installation.as_user("olga")
        told = await refusal(expired.directory.GetTenant(GetTenantRequest()))
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "TOKEN_EXPIRED")
    async with service(settings) as running, Installation.at(running) as installation:
        token = (await installation.as_user("ana")).token
        head, body, signature = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        claims["role"] = "owner"
        forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        caller = installation.with_token(f"{head}.{forged}.{signature}")
        told = await refusal(caller.directory.GetTenant(GetTenantRequest()))
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")


async def test_a_service_signs_in_with_its_secret_and_no_other(directory: Installation) -> None:
    answer = await directory.sessions.IssueServiceToken(
        IssueServiceTokenRequest(service="ingestion", secret="ingestion-secret-1")
    )
    claims = jwt.decode(answer.access_token, options={"verify_signature": False})
    assert (claims["sub"], claims["service"]) == ("service:ingestion", "ingestion")
    assert "tenant" not in claims
    for service_name, secret in (
        ("ingestion", "conversations-secret"),
        ("ingestion", ""),
        ("nobody", "ingestion-secret-1"),
        ("", ""),
    ):
        request = IssueServiceTokenRequest(service=service_name, secret=secret)
        told = await refusal(directory.sessions.IssueServiceToken(request))
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "SERVICE_SECRET_REFUSED")


async def test_no_secret_is_stored_readable(directory: Installation, db: Database) -> None:
    tokens = (await directory.signed_in("ana")).tokens
    refresh_secret = tokens.refresh_token.partition(".")[2]
    stored = ""
    for name in ("users", "sessions", "sign_in_attempts"):
        stored += "".join([str(it) async for it in db[name].find({})])
    assert "ana@demo.example" in stored
    assert PASSWORD not in stored
    assert refresh_secret not in stored
