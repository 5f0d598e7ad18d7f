"""A secret that was withdrawn is forgotten when the directory says so, not when the cache ages."""

import grpc
import pytest
from centralita.directory.v1.events_pb2 import ChannelAccountChanged

from services.ingestion.adapters.directory import CachedAccounts, cached
from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.ids import new_id
from services.kernel.wire import outgoing
from tests.streams import until


async def test_an_account_is_forgotten_when_the_directory_announces_a_change(
    bus: Bus, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[tuple[str, str]] = []
    monkeypatch.setattr(CachedAccounts, "forget", lambda _, key: forgotten.append(key))
    event = ChannelAccountChanged(tenant_id=tenant, channel_account_id="shop", version=1)
    async with (
        grpc.aio.insecure_channel("127.0.0.1:1") as nobody,
        cached(nobody, bus),
    ):
        await bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))
        await until(lambda: forgotten == [(tenant, "shop")])
