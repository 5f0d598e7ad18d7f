"""A leader that stops stops at once, and leaves a snapshot only where nobody waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import pytest

from services.dispatch.use_cases import lead as loop_of
from services.dispatch.use_cases.ports import Ports, Position, Unknown


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


@pytest.mark.parametrize("holds", [True, False], ids=["told to end", "lost the lease"])
async def test_who_may_not_lead_any_more_keeps_nobody_waiting_for_a_snapshot(
    *, holds: bool
) -> None:
    """Without a bus it took five seconds, in which nobody led."""
    ports: Any = MagicMock(clock=lambda: 0)
    ports.snapshots.save = AsyncMock()
    outlet: Any = MagicMock(emitted=7, flushed=AsyncMock())
    term = loop_of._Term(ports, 0, MagicMock(position=Position(7), saved=Position(3)), outlet)
    await term.close(holds=holds, warm=False)
    assert ports.snapshots.save.await_count == outlet.flushed.await_count == holds
