"""A whole ingestion on real servers, with a directory and a provider that a test can steer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from centralita.directory.v1 import resources_pb2 as directory

from services.ingestion.__main__ import service
from services.ingestion.settings import Settings
from services.kernel.bus import Bus
from tests.integration.ingestion.world import (
    SECRET,
    WEB_SECRET,
    FakeDirectory,
    Provider,
    World,
    fake_directory,
    provider,
)


@asynccontextmanager
async def _world(
    bus: Bus, tenant: str, settings: dict[str, Any], known: FakeDirectory, remote: Provider
) -> AsyncIterator[World]:
    known.put(
        tenant,
        SECRET,
        channel_account_id="shop",
        channel=directory.CHANNEL_CUSTOM,
        callback_url=f"{remote.url}/replies",
    )
    known.put(
        tenant,
        WEB_SECRET,
        channel_account_id="web",
        channel=directory.CHANNEL_WEBCHAT,
        allowed_origins=["https://shop.example"],
    )
    made = Settings(
        grpc_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        directory_address=known.address,
        service_secret="ingestion",
        **{"allow_private_callbacks": True, **settings},
    )
    async with (
        service(made) as running,
        aiohttp.ClientSession(f"http://{running.http_address}") as http,
    ):
        yield World(tenant, running, http, known, remote, bus)


@pytest.fixture
async def known() -> AsyncIterator[FakeDirectory]:
    async with fake_directory() as it:
        yield it


@pytest.fixture
async def remote() -> AsyncIterator[Provider]:
    async with provider() as it:
        yield it


@pytest.fixture
def settings(nats_url: str, mongo_url: str) -> dict[str, Any]:
    """Override it in a module or class for other settings."""
    return {"nats_url": nats_url, "mongo_url": mongo_url}


@pytest.fixture
async def world(
    bus: Bus, tenant: str, settings: dict[str, Any], known: FakeDirectory, remote: Provider
) -> AsyncIterator[World]:
    async with _world(bus, tenant, settings, known, remote) as it:
        yield it
