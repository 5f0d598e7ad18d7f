"""A process whose writes are refused is not ready, and is so again when there is room."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from nats.errors import Error
from nats.js.errors import APIError
from pymongo.errors import AutoReconnect, OperationFailure

from services.contacts.__main__ import service
from services.contacts.settings import Settings
from services.kernel import health, streams
from services.kernel.bus import Bus, connected
from services.kernel.health import Health
from services.kernel.run import Running
from tests.servers import NatsServer, nats_server
from tests.streams import until

NAME = "centralita.contacts.v1.ContactsService"
ROOM = 64 * 1024 * 1024


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "EVERY_S", 0.05)
    monkeypatch.setattr(health, "AGAIN_S", 0.05)


@pytest.fixture
def small_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A broker that has little room."""
    config = tmp_path / "nats.conf"
    config.write_text(f"jetstream {{ max_file_store: {ROOM} }}\n")
    with nats_server(tmp_path / "nats", "-c", str(config)) as server:
        yield server


@asynccontextmanager
async def contacts(nats_url: str, mongo_url: str) -> AsyncIterator[tuple[Running, Any]]:
    settings = Settings(nats_url=nats_url, mongo_url=mongo_url, grpc_address="127.0.0.1:0")
    async with (
        service(settings) as running,
        grpc.aio.insecure_channel(running.grpc_address) as channel,
    ):
        yield running, HealthStub(channel)


async def _says(stub: Any, status: int) -> bool:
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=NAME))
    return bool(answer.status == status)


async def _fill(bus: Bus) -> None:
    await bus.js.add_stream(name="FILL", subjects=["fill"])
    try:
        while True:
            await bus.js.publish("fill", b"x" * 900_000)
    except (APIError, Error):
        return


async def test_a_full_broker_shows_in_health_and_what_comes_back_too(
    small_nats: NatsServer, mongo_url: str
) -> None:
    """It answered 200 for as long as nothing that anybody wrote was kept."""
    serving = health_pb2.HealthCheckResponse
    async with connected(small_nats.url, name="streams") as bus:
        await bus.js.add_stream(name="KV_health", subjects=["$KV.health.>"], max_msgs_per_subject=1)
        await bus.js.add_stream(name="DIRECTORY", subjects=["cc.*.directory.>"])
        async with contacts(small_nats.url, mongo_url) as (running, stub):
            assert running.health is not None
            await until(lambda: _says(stub, serving.SERVING))
            await _fill(bus)
            await until(lambda: _says(stub, serving.NOT_SERVING), within=10)
            assert not running.health.well
            await bus.js.purge_stream("FILL")
            await until(lambda: _says(stub, serving.SERVING), within=10)
            assert running.health.well


class Store:
    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.tried = 0

    async def write(self) -> None:
        self.tried += 1
        if self.trouble is not None:
            raise self.trouble


@pytest.mark.parametrize(
    ("trouble", "well"),
    [
        (OperationFailure("no space left", 14031), False),
        (AutoReconnect(), True),
        (TimeoutError(), True),
    ],
)
async def test_only_who_answers_and_refuses_makes_a_process_unready(
    trouble: Exception,
    well: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """In an outage reading goes on; what cannot be written is refused by itself."""
    store = Store()
    it = Health((store.write,))
    watching = asyncio.create_task(it.watch())
    await until(lambda: store.tried > 1)
    store.trouble, before = trouble, store.tried
    await until(lambda: store.tried > before + health.IN_A_ROW)
    assert it.well is well
    store.trouble = None
    await until(lambda: it.well)
    watching.cancel()


async def test_the_shipped_streams_have_a_place_to_try_it(bus: Bus) -> None:
    assert "KV_health" in {config.name for config in streams.configs()}
    await bus.js.publish("$KV.health.contacts", b"kept")
