"""An empty installation per test, and the other services' voices."""

from collections.abc import AsyncIterator

import pytest

from services.kernel.bus import Bus
from services.kernel.mongo import Database
from tests.integration.workspace.rig import Installation, Others, installation


@pytest.fixture
async def rig(bus: Bus, nats_url: str, mongo_url: str, db: Database) -> AsyncIterator[Installation]:
    async with installation(nats_url, mongo_url, db.name) as it:
        yield it


@pytest.fixture
def others(bus: Bus, tenant: str) -> Others:
    return Others(bus, tenant)
