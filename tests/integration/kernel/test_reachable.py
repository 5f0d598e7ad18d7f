"""Whether bus and store answer is counted, with nothing asked that would not be asked anyway."""

import asyncio
from collections.abc import Callable

import pytest
from pymongo.errors import PyMongoError

from services.kernel import reachable
from services.kernel.bus import connected
from services.kernel.mongo import database
from tests.servers import MongoServer, NatsServer


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """What the gauge was last told of each upstream."""
    last: dict[str, bool] = {}

    def tell(it: reachable.Reachable, well: bool) -> None:  # noqa: FBT001 - as it is called
        last[it._upstream["upstream"]] = well

    monkeypatch.setattr(reachable.Reachable, "tell", tell)
    return last


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


async def test_a_bus_that_is_gone_shows_and_one_that_is_back(
    private_nats: NatsServer, told: dict[str, bool]
) -> None:
    async with connected(private_nats.url, name="tests"):
        assert told == {"nats": True}
        private_nats.kill()
        await _until(lambda: not told["nats"])
        private_nats.start()
        await _until(lambda: told["nats"])


async def test_a_store_that_is_gone_shows(
    private_mongo: MongoServer, told: dict[str, bool]
) -> None:
    async with database(private_mongo.url, "tests") as db:
        await _until(lambda: told == {"mongodb": True})
        private_mongo.kill()
        with pytest.raises(PyMongoError):
            await db.command("ping")
        await _until(lambda: not told["mongodb"])
