"""A leader that is told to stop stops, even if what it waited for lost the telling."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from services.dispatch.use_cases import lead as loop_of
from services.dispatch.use_cases.ports import Ports, Unknown


class Leases:
    """Somebody else leads; asking who loses the cancellation, as a request to NATS may."""

    asked = 0

    @asynccontextmanager
    async def held(self, *_: object) -> AsyncIterator[None]:
        self.asked += 1
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise Unknown
        yield


async def test_a_leader_whose_cancellation_was_lost_does_not_begin_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_of, "PAUSE_AFTER_TROUBLE_S", 0)
    leases = Leases()
    ports: Any = MagicMock(leases=leases)
    leading = asyncio.create_task(loop_of.Lead(cast("Ports", ports))(0))
    await asyncio.sleep(0)
    leading.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([leading])
    assert leases.asked == 1
