"""The two services of a customer's message, running."""

from collections.abc import AsyncIterator

import pytest

from services.kernel.bus import Bus
from services.kernel.mongo import Database
from tests.integration.conversations.rig import Rig
from tests.integration.conversations.rig import rig as running


@pytest.fixture
async def rig(
    nats_url: str, mongo_url: str, bus: Bus, db: Database, tenant: str
) -> AsyncIterator[Rig]:
    async with running(nats_url, mongo_url, bus, db, tenant) as it:
        yield it
