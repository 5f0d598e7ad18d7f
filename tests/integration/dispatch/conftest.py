"""A running router, and people who call it."""

from collections.abc import AsyncIterator

import pytest

from services.kernel.bus import Bus
from tests.integration.dispatch.centre import Centre, centre


@pytest.fixture
async def desk(nats_url: str, bus: Bus, tenant: str) -> AsyncIterator[Centre]:
    async with centre(nats_url, bus, tenant) as it:
        yield it
