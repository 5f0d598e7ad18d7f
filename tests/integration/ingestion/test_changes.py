"""A secret that was withdrawn is forgotten, or the service does not go on."""

import asyncio

import grpc
import pytest
from centralita.directory.v1.events_pb2 import ChannelAccountChanged

from services.ingestion.adapters.directory import CachedAccounts, cached
from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.ids import new_id
from services.kernel.wire import outgoing


async def test_a_reader_of_changes_that_fails_takes_the_service_with_it(
    bus: Bus, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: CachedAccounts, key: tuple[str, str]) -> None:
        raise KeyError(key)

    async def change_for_ever() -> None:
        for version in range(1, 1000):
            event = ChannelAccountChanged(
                tenant_id=tenant, channel_account_id="shop", version=version
            )
            await bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))
            await asyncio.sleep(0.01)

    monkeypatch.setattr(CachedAccounts, "forget", broken)
    async with grpc.aio.insecure_channel("127.0.0.1:1") as nobody:
        with pytest.raises(ExceptionGroup) as ended:
            async with cached(nobody, bus):
                await change_for_ever()
    assert ended.group_contains(KeyError)
