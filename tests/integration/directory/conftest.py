"""A running directory with two tenants, and people who call it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.directory.__main__ import service
from services.directory.settings import Settings
from services.kernel.bus import Bus
from services.kernel.mongo import Database
from tests.integration.directory.installation import SEED, Installation
from tests.integration.directory.under_way import UnderWay, serving_under_way


@pytest.fixture
async def under_way() -> AsyncIterator[UnderWay]:
    """Nothing, unless a test says so."""
    async with serving_under_way() as it:
        yield it


@pytest.fixture
def settings(  # noqa: PLR0913, PLR0917 - all that it is made of
    nats_url: str, mongo_url: str, bus: Bus, db: Database, tmp_path: Path, under_way: UnderWay
) -> Settings:
    """Cheap passwords, own database, two tenants."""
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED)
    return Settings(
        nats_url=nats_url,
        mongo_url=mongo_url,
        mongo_database=db.name,
        grpc_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        dispatch_address=under_way.address,
        conversations_address=under_way.address,
        seed_file=str(seed),
        service_secrets=("ingestion=ingestion-secret-1", "conversations=conversations-secret"),
        password_passes=1,
        password_memory_kib=8,
    )


@pytest.fixture
async def directory(settings: Settings) -> AsyncIterator[Installation]:
    async with service(settings) as running, Installation.at(running) as installation:
        yield installation


@pytest.fixture
async def unseeded(settings: Settings) -> AsyncIterator[Installation]:
    settings = replace(settings, seed_file="")
    async with service(settings) as running, Installation.at(running) as installation:
        yield installation
