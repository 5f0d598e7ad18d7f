"""A reply reaches the provider, late if need be, or is said to have failed."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from centralita.conversations.v1.events_pb2 import ReplyRequested
from centralita.directory.v1.resources_pb2 import CHANNEL_CUSTOM
from centralita.ingestion.v1 import events_pb2 as events
from google.protobuf.timestamp_pb2 import Timestamp

from services.ingestion.adapters.mongo import MongoDeliveries
from services.ingestion.domain.account import Channel
from services.ingestion.domain.delivery import Reply
from services.ingestion.domain.errors import SignatureRefused
from services.ingestion.domain.signature import HEADER, verify
from services.kernel.clock import utc_now
from services.kernel.ids import new_id
from services.kernel.mongo import Database
from tests.integration.ingestion.world import SECRET, World
from tests.streams import until

SENT = events.DELIVERY_STATUS_SENT
FAILED = events.DELIVERY_STATUS_FAILED


async def fate_of(world: World, message_id: str, within: float = 10.0) -> tuple[int, str]:
    async def told() -> list[events.DeliveryUpdated]:
        updates = await world.stored("INGESTION", events.DeliveryUpdated)
        return [one for one in updates if one.message_id == message_id]

    update = (await until(told, within=within))[-1]
    return update.status, update.cause


def tries(world: World, message_id: str) -> int:
    return sum(one.message_id == message_id for one in world.provider.arrived)


async def test_a_reply_arrives_signed_with_what_the_connector_needs(world: World) -> None:
    message_id = await world.reply("¡Hola! 👋")
    assert await fate_of(world, message_id) == (SENT, "")
    (arrived,) = world.provider.arrived
    assert json.loads(arrived.body) == {
        "tenantId": world.tenant,
        "channelAccountId": "shop",
        "conversationId": "c-1",
        "messageId": message_id,
        "recipientAddress": "+15550100001",
        "sentAt": json.loads(arrived.body)["sentAt"],
        "text": "¡Hola! 👋",
    }
    assert arrived.headers["Idempotency-Key"] == message_id
    verify(arrived.headers[HEADER], arrived.body, [SECRET], datetime.now(UTC))


async def test_a_call_back_while_secrets_change_is_taken_by_who_knows_either(world: World) -> None:
    world.directory.accounts[world.tenant, "shop"].secrets[:] = ["newest", SECRET]
    await world.change("shop")
    await fate_of(world, await world.reply())
    (arrived,) = world.provider.arrived
    assert arrived.headers[HEADER].count("v1=") == 2
    for known in (["newest"], [SECRET], ["newest", SECRET]):
        verify(arrived.headers[HEADER], arrived.body, known, datetime.now(UTC))
    with pytest.raises(SignatureRefused):
        verify(arrived.headers[HEADER], arrived.body, ["the one before"], datetime.now(UTC))


async def test_an_account_without_a_secret_sends_nothing_unsigned_and_says_so(
    world: World,
) -> None:
    world.directory.accounts[world.tenant, "shop"].secrets[:] = []
    await world.change("shop")
    assert await fate_of(world, await world.reply()) == (FAILED, "CALLBACK_SECRET_MISSING")
    assert not world.provider.arrived


async def test_each_call_back_that_fails_is_logged_with_its_account_and_cause(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.provider.answers = [web.Response(status=500), web.Response(status=403)]
    with caplog.at_level("WARNING", logger="services.ingestion"):
        message_id = await world.reply("what nobody may read in a log")
        assert await fate_of(world, message_id) == (FAILED, "REFUSED_BY_CHANNEL")
    told = [record for record in caplog.records if "not delivered" in record.message]
    assert [
        (
            vars(one)["message_id"],
            vars(one)["channel_account_id"],
            vars(one)["cause"],
            vars(one)["attempt"],
        )
        for one in told
    ] == [
        (message_id, "shop", "CHANNEL_ERROR", 1),
        (message_id, "shop", "REFUSED_BY_CHANNEL", 2),
    ]
    assert all(vars(one)["tenant_id"] == world.tenant for one in told)
    assert not [one for one in told if "nobody" in str(vars(one)) or "+1555" in str(vars(one))]


async def test_a_delivered_reply_is_forgotten_by_the_work_queue(world: World) -> None:
    await fate_of(world, await world.reply("secret"))

    async def empty() -> bool:
        return not await world.stored("OUTBOUND", ReplyRequested)

    await until(empty)


async def test_two_failures_are_followed_by_success(world: World) -> None:
    world.provider.answers = [web.Response(status=500), web.Response(status=502)]
    message_id = await world.reply()
    assert await fate_of(world, message_id) == (SENT, "")
    assert tries(world, message_id) == 3
    assert {one.headers["Idempotency-Key"] for one in world.provider.arrived} == {message_id}


@pytest.mark.parametrize("status", [429, 503])
async def test_the_provider_says_when_to_come_back(world: World, status: int) -> None:
    world.provider.answers = [web.Response(status=status, headers={"Retry-After": "2"})]
    began = asyncio.get_running_loop().time()
    message_id = await world.reply()
    assert await fate_of(world, message_id) == (SENT, "")
    assert asyncio.get_running_loop().time() - began >= 1.9
    assert tries(world, message_id) == 2


@pytest.mark.parametrize(
    "answer", [web.Response(status=s) for s in (400, 404, 410)] + ["redirect"], ids=str
)
async def test_a_refusal_is_final(world: World, answer: Any) -> None:
    if answer == "redirect":
        answer = web.Response(status=307, headers={"Location": f"{world.provider.url}/other"})
    world.provider.answers = [answer]
    message_id = await world.reply()
    assert await fate_of(world, message_id) == (FAILED, "REFUSED_BY_CHANNEL")
    assert tries(world, message_id) == 1


async def test_a_provider_that_hangs_does_not_hold_up_the_others(world: World) -> None:
    known = world.directory
    known.put(
        world.tenant,
        SECRET,
        channel_account_id="slow",
        channel=CHANNEL_CUSTOM,
        callback_url=f"{world.provider.url}/hangs",
    )
    for number in range(60):
        await world.reply(channel_account_id="slow", conversation_id=f"slow-{number}")
    await until(lambda: world.provider.arrived)
    began = asyncio.get_running_loop().time()
    assert await fate_of(world, await world.reply()) == (SENT, "")
    assert asyncio.get_running_loop().time() - began < 3
    assert sum(one.path == "/hangs" for one in world.provider.arrived) == 8
    world.provider.over.set()


@pytest.mark.parametrize(
    ("account", "cause"),
    [
        ({"channel_account_id": "gone"}, "CHANNEL_ACCOUNT_NOT_FOUND"),
        ({"channel_account_id": "web"}, "CHANNEL_ACCOUNT_NOT_FOUND"),
        ({"channel_account_id": "mute"}, "CALLBACK_URL_MISSING"),
        ({"channel_account_id": "ftp"}, "CALLBACK_URL_INVALID"),
        ({"text": "x" * 8001}, "TEXT_TOO_LONG"),
    ],
)
async def test_what_cannot_go_out_has_failed_with_its_cause(
    world: World, account: dict[str, str], cause: str
) -> None:
    for name, url in (("mute", ""), ("ftp", "ftp://provider.example/replies")):
        world.directory.put(
            world.tenant, SECRET, channel_account_id=name, channel=CHANNEL_CUSTOM, callback_url=url
        )
    assert await fate_of(world, await world.reply(**account)) == (FAILED, cause)


async def test_replies_of_a_conversation_keep_their_order_through_a_failure(world: World) -> None:
    world.provider.answers = [web.Response(status=500)]
    ids = [await world.reply(str(number)) for number in range(4)]
    for message_id in ids:
        assert await fate_of(world, message_id) == (SENT, "")
    assert [one.message_id for one in world.provider.arrived] == [ids[0], *ids]


async def test_replies_of_one_instant_go_out_as_they_were_published(world: World) -> None:
    world.provider.answers = [web.Response(status=500)]
    ids = sorted((new_id() for _ in range(4)), reverse=True)
    at = Timestamp(seconds=int(datetime.now(UTC).timestamp()))
    for message_id in ids:
        await world.reply(message_id=message_id, sent_at=at)
    for message_id in ids:
        assert await fate_of(world, message_id) == (SENT, "")
    assert [one.message_id for one in world.provider.arrived] == [ids[0], *ids]


async def test_what_an_older_version_began_holds_nobody_up_until_it_comes_again(
    db: Database, tenant: str
) -> None:
    deliveries, now = MongoDeliveries(db), utc_now()
    old = Reply(tenant, "c-1", "m-1", Channel.CUSTOM, "shop", "+1555", "hi", now, 7)
    new = replace(old, message_id="m-2", position=8)
    await deliveries.begin(old, now)
    await db["deliveries"].update_one({"message_id": "m-1"}, {"$unset": {"position": ""}})
    assert await deliveries.find(tenant, "m-1") is not None

    async def behind(reply: Reply) -> bool:
        it = await deliveries.begin(reply, now)
        return await deliveries.is_behind(it, now - timedelta(seconds=1))

    assert not await behind(new)
    assert not await behind(old)
    assert await behind(new)
    assert not await behind(replace(old, position=9))  # published again: the first place counts


async def test_a_provider_s_report_becomes_the_fate_of_the_reply(world: World) -> None:
    message_id = await world.reply()
    await fate_of(world, message_id)
    for status in ("DELIVERED", "READ"):
        body = json.dumps({"messageId": message_id, "status": status}).encode()
        assert (await world.post(body, what="statuses")).status == 202
    updates = await world.stored("INGESTION", events.DeliveryUpdated)
    assert [events.DeliveryStatus.Name(one.status)[16:] for one in updates] == [
        "SENT",
        "DELIVERED",
        "READ",
    ]
    assert {one.conversation_id for one in updates} == {"c-1"}


async def test_a_report_on_nothing_or_unsigned_is_refused(world: World) -> None:
    body = b'{"messageId":"none","status":"READ"}'
    answer = await world.post(body, what="statuses")
    assert (answer.status, answer.reason) == (404, "REPLY_NOT_FOUND")
    answer = await world.post(body, what="statuses", secret="wrong")
    assert (answer.status, answer.reason) == (401, "SIGNATURE_REFUSED")


class TestWithoutPrivateNetworks:
    """As in production: what a tenant typed in may not lead into our own network."""

    @pytest.fixture
    def settings(self, nats_url: str, mongo_url: str) -> dict[str, Any]:
        return {"nats_url": nats_url, "mongo_url": mongo_url, "allow_private_callbacks": False}

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
    async def test_a_call_back_does_not_enter_a_private_network(
        self, world: World, host: str
    ) -> None:
        port = world.provider.url.rpartition(":")[2]
        world.directory.put(
            world.tenant,
            SECRET,
            channel_account_id="inner",
            channel=CHANNEL_CUSTOM,
            callback_url=f"http://{host}:{port}/replies",
        )
        message_id = await world.reply(channel_account_id="inner")
        assert await fate_of(world, message_id) == (FAILED, "CALLBACK_ADDRESS_REFUSED")
        assert not world.provider.arrived
