"""Signing keys over real replicas: one key, published before it signs, sealed at rest."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from centralita.directory.v1.directory_service_pb2 import GetTenantRequest

from services.directory.__main__ import service
from services.directory.adapters.mongo_sessions import MongoKeys
from services.directory.adapters.seal import Seal, SealBroken
from services.directory.domain.keys import KeyPolicy
from services.directory.settings import Settings
from services.directory.use_cases.keys import KeyRing
from services.kernel.mongo import Database
from tests.integration.directory.installation import Installation

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
POLICY = KeyPolicy(
    lifetime=timedelta(days=30), lead=timedelta(hours=1), afterlife=timedelta(hours=2)
)
KEY = base64.b64encode(bytes(range(32))).decode()


class Time:
    def __init__(self) -> None:
        self.now = NINE

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def three(settings: Settings) -> AsyncIterator[list[Installation]]:
    """Three replicas that were started at once on an empty store."""
    async with AsyncExitStack() as stack:
        services = [service(settings) for _ in range(3)]
        running = await asyncio.gather(*(stack.enter_async_context(it) for it in services))
        yield [await stack.enter_async_context(Installation.at(it)) for it in running]


async def test_replicas_started_at_once_sign_with_one_key(three: list[Installation]) -> None:
    tokens = [(await it.as_user("ana")).token for it in three]
    assert len({jwt.get_unverified_header(it)["kid"] for it in tokens}) == 1
    for token in tokens:
        for it in three:
            caller = it.with_token(token)
            answer = await caller.directory.GetTenant(GetTenantRequest())
            assert answer.tenant.tenant_id == "demo"


async def test_a_key_is_published_before_it_signs_and_after(db: Database) -> None:
    time = Time()
    rings = [KeyRing(MongoKeys(db, Seal()), time, POLICY) for _ in range(2)]

    async def turned() -> tuple[list[str], str]:
        await asyncio.gather(*(it.turn() for it in rings))
        published = [[key.kid for key in it.published] for it in rings]
        signers = {it.signer().kid for it in rings}
        assert published[0] == published[1]
        assert len(signers) == 1
        return published[0], signers.pop()

    (first,), signer = await turned()
    assert signer == first
    time.now = NINE + POLICY.lifetime - POLICY.lead - timedelta(seconds=1)
    assert await turned() == ([first], first)
    time.now += timedelta(seconds=1)
    (_, second), signer = await turned()
    assert signer == first, "published, and not yet signing"
    time.now = NINE + POLICY.lifetime
    assert await turned() == ([first, second], second)
    time.now += POLICY.afterlife - timedelta(seconds=1)
    assert await turned() == ([first, second], second)
    time.now += timedelta(seconds=1)
    assert await turned() == ([second], second)


async def test_an_installation_that_slept_announces_a_key_before_it_uses_it(
    db: Database,
) -> None:
    time = Time()
    ring = KeyRing(MongoKeys(db, Seal()), time, POLICY)
    await ring.turn()
    first = ring.signer()
    time.now += 3 * POLICY.lifetime
    await ring.turn()
    assert len(ring.published) == 2
    assert ring.signer() == first
    time.now += POLICY.lead
    assert ring.signer() != first


async def test_secrets_are_sealed_when_there_is_a_key(
    settings: Settings, directory: Installation, db: Database
) -> None:
    sealed = replace(settings, key_encryption_key=KEY)
    (plain,) = await MongoKeys(db, Seal()).all()
    assert plain.private in await _at_rest(db)
    assert b"demo-shop-secret" in await _at_rest(db)

    for name in ("signing_keys", "channel_accounts"):
        await db[name].delete_many({})
    async with service(sealed) as running, Installation.at(running) as installation:
        await installation.signed_in("ana")
        caller = await installation.as_service("ingestion", "ingestion-secret-1")
        assert caller.token
    (key,) = await MongoKeys(db, Seal(KEY)).all()
    assert key.private not in await _at_rest(db)
    assert b"demo-shop-secret" not in await _at_rest(db)
    with pytest.raises(SealBroken):
        async with service(settings):
            pass


async def _at_rest(db: Database) -> bytes:
    keys: list[Any] = [it["private"] async for it in db["signing_keys"].find({})]
    async for account in db["channel_accounts"].find({}):
        keys += [it["sealed"] for it in account["value"]["secrets"]]
    return b"".join(keys)
