"""An empty installation per test, and the other services' voices."""

from collections.abc import AsyncIterator

import pytest

from services.kernel.bus import Bus
from tests.integration.workspace.rig import Installation, Others, installation


@pytest.fixture
async def rig(bus: Bus, nats_url: str) -> AsyncIterator[Installation]:
    async with installation(nats_url) as it:
        yield it


@pytest.fixture
def others(bus: Bus, tenant: str) -> Others:
    return Others(bus, tenant)
