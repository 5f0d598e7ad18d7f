"""Fixtures: real servers once per session; a bus, a database and a tenant of its own per test."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pymongo import common

from services.kernel import streams
from services.kernel.bus import Bus, connected
from services.kernel.mongo import Database, database
from tests.servers import MongoServer, NatsServer, mongo_server, nats_server
from tests.streams import wiped

# Closing a client of MongoDB waits for its threads, which look up twice a second: half a second for
# each client of each test.
common.MIN_HEARTBEAT_INTERVAL = 0.05


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The session's NATS server, with the streams of deploy/nats/streams.toml."""
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        asyncio.run(_apply(server.url))
        yield server.url


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mongo_server(tmp_path_factory.mktemp("mongo")) as server:
        yield server.url


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test knows: subjects and keys of tests never meet."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """A connection whose streams begin empty and without consumers."""
    async with connected(nats_url, name="tests") as connection:
        await wiped(connection.js)
        yield connection


@pytest.fixture
async def db(mongo_url: str) -> AsyncIterator[Database]:
    """A database that is empty and only this test's."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with database(mongo_url, name) as opened:
        yield opened
        await opened.client.drop_database(name)


@pytest.fixture
def private_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A NATS server of this test alone: kill it, freeze it, restart it; streams applied."""
    with nats_server(tmp_path / "nats") as server:
        asyncio.run(_apply(server.url))
        yield server


@pytest.fixture
def private_mongo(tmp_path: Path) -> Iterator[MongoServer]:
    with mongo_server(tmp_path / "mongo") as server:
        yield server


async def _apply(url: str) -> None:
    async with connected(url, name="streams") as connection:
        await streams.apply(connection.js)
