"""Which replica leads which shard, as those who run the installation see it."""

import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest
from centralita.dispatch.v1.dispatch_service_pb2 import ListShardsRequest, Shard
from centralita.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub

from services.dispatch.__main__ import service
from services.dispatch.adapters.logs import shard_of
from services.dispatch.settings import Settings
from services.kernel.ids import is_token
from tests.integration.dispatch.centre import Centre, refusal
from tests.servers import NatsServer
from tests.streams import until
from tests.tokens import ISSUER, Issuer, bearer, key_server

SHARDS = 4
OPERATIONS = "operations"

Replica = Callable[[], Any]
Asked = Callable[[str], Awaitable[Any]]


@pytest.fixture
async def replica(private_nats: NatsServer) -> AsyncIterator[Replica]:
    """Start a replica, and ask it as somebody with a role."""
    issuer = Issuer()
    async with key_server(issuer.jwks) as keys:
        settings = Settings(
            nats_url=private_nats.url,
            grpc_address="127.0.0.1:0",
            jwks_url=keys.url,
            issuer=ISSUER,
            shards=SHARDS,
            settled_after=timedelta(seconds=0.2),
        )

        @asynccontextmanager
        async def started() -> AsyncIterator[Asked]:
            async with (
                service(settings) as running,
                grpc.aio.insecure_channel(running.grpc_address) as channel,
            ):
                stub: Any = DispatchServiceStub(channel)

                async def ask(who: str) -> Any:
                    service_ = who in {OPERATIONS, "voice"}
                    token = issuer.service(who) if service_ else issuer.user("acme", "olga", who)
                    return (
                        await stub.ListShards(ListShardsRequest(), metadata=bearer(token))
                    ).shards

                yield ask

        yield started


async def spread(ask: Asked, wanted: list[int]) -> None:
    """Wait until each owner has so many, and nobody is about to have another number."""

    async def it_is() -> bool:
        shards = await ask(OPERATIONS)
        led = Counter(it.owner_id for it in shards if it.owner_id and not it.successor_id)
        return sorted(led.values()) == wanted

    await until(it_is, within=15)


async def test_replicas_share_the_shards_and_whoever_is_asked_says_so(replica: Replica) -> None:
    async with replica() as first:
        await spread(first, [4])
        async with replica() as second:
            await spread(second, [2, 2])
            assert await first(OPERATIONS) == await second(OPERATIONS)
            async with replica() as third:
                await spread(third, [1, 1, 2])
            await spread(second, [2, 2])
        await spread(first, [4])
        assert [it.number for it in await first(OPERATIONS)] == list(range(SHARDS))


async def test_a_replica_goes_by_a_name_that_tells_nothing_of_its_machine(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "machine-seven")
    async with replica() as ask:
        await spread(ask, [SHARDS])
        (name,) = {it.owner_id for it in await ask(OPERATIONS)}
        assert is_token(name)
        assert "machine-seven" not in name


async def test_the_shards_are_not_everybodys_business(replica: Replica) -> None:
    async with replica() as ask:
        assert await refusal(ask("supervisor")) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "ROLE_TOO_LOW",
        )


async def test_a_tenant_is_told_of_its_own_shard_and_nothing_of_the_installation(
    replica: Replica,
) -> None:
    async with replica() as ask:
        await spread(ask, [SHARDS])
        for role in ("manager", "owner"):
            (own,) = await ask(role)
            assert own == Shard(number=shard_of("acme", SHARDS), led=True)


async def test_no_other_service_is_told_of_the_shards(replica: Replica) -> None:
    async with replica() as ask:
        code, _ = await refusal(ask("voice"))
        assert code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_shard_has_got_as_far_as_its_journal(desk: Centre) -> None:
    before = await desk.shards()
    await desk.queue()
    await until(lambda: _further(desk, before), within=10)


async def _further(desk: Centre, before: list[Any]) -> bool:
    (now,) = await desk.shards()
    return bool(now.journal_sequence > (before[0].journal_sequence if before else 0))
