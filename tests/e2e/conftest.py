"""The whole of Centralita once per session, started as the README says."""

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from tests.e2e.installation import Installation, installed
from tests.e2e.people import Edge
from tests.e2e.standalone import Standalone, started


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    with started(tmp_path_factory.mktemp("standalone")) as it:
        yield it


@pytest.fixture
async def edge(standalone: Standalone) -> AsyncIterator[Edge]:
    address = f"127.0.0.1:{standalone.port}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield Edge(address, channel)


@pytest.fixture
async def installation(standalone: Standalone) -> AsyncIterator[Installation]:
    async with installed(standalone) as it:
        yield it
