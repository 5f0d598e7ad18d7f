"""An installation of presence, and a router that tells it of work."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.kernel.bus import Bus
from services.kernel.mongo import Database
from tests.integration.presence.rig import Installation, Router, installation


@pytest.fixture
async def rig(bus: Bus, nats_url: str, mongo_url: str, db: Database) -> AsyncIterator[Installation]:
    """Its leases are short: for tests that wait for their end."""
    async with installation(nats_url, mongo_url, db.name) as it:
        yield it


@pytest.fixture
async def calm(
    bus: Bus, nats_url: str, mongo_url: str, db: Database
) -> AsyncIterator[Installation]:
    """Its leases outlive a test: for tests in which everybody stays."""
    async with installation(nats_url, mongo_url, db.name, lease=timedelta(minutes=2)) as it:
        yield it


@pytest.fixture
def router(bus: Bus, tenant: str) -> Router:
    return Router(bus, tenant)
