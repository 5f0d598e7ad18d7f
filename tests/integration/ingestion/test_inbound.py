"""A message handed in over the webhook, gRPC or the bus: stored once, or refused with a reason."""

import asyncio
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from centralita.directory.v1.resources_pb2 import CHANNEL_CUSTOM
from centralita.ingestion.v1.events_pb2 import MessageReceived, MessageRefused, MessageSubmitted
from centralita.ingestion.v1.ingestion_service_pb2 import PublishRequest
from centralita.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from centralita.ingestion.v1.resources_pb2 import InboundMessage
from google.protobuf import json_format

from services.ingestion.__main__ import service
from services.ingestion.domain.signature import HEADER, sign
from services.ingestion.settings import Settings
from services.kernel.answers import reason_of
from services.kernel.wire import subject_of
from tests.integration.ingestion.world import SECRET, World
from tests.streams import drained, until

HELLO = Path("tests/payloads/custom/hello.json").read_bytes()
WIRE = json_format.Parse(HELLO, InboundMessage())


async def test_a_signed_message_is_on_the_bus_when_it_is_accepted(world: World) -> None:
    answer = await world.post(HELLO)
    assert (answer.status, answer.body) == (202, {"duplicate": False})
    assert await world.stored("INBOUND", MessageReceived) == [
        MessageReceived(
            tenant_id=world.tenant,
            channel_account_id="shop",
            channel=CHANNEL_CUSTOM,
            queue_id="sales",
            message=WIRE,
        )
    ]


async def test_ten_at_once_make_one_message(world: World) -> None:
    answers = await asyncio.gather(*(world.post(HELLO) for _ in range(10)))
    assert {answer.status for answer in answers} == {202}
    assert sorted(answer.body["duplicate"] for answer in answers) == [False] + [True] * 9
    assert len(await world.stored("INBOUND", MessageReceived)) == 1


def saying(text: str, *, message_id: str = "m-1", sender: str = "+1555") -> bytes:
    content = {"providerMessageId": message_id, "senderAddress": sender, "text": text}
    return json.dumps(content).encode()


async def test_one_id_of_two_senders_is_two_messages(world: World) -> None:
    for sender in ("+1555", "+1666"):
        answer = await world.post(saying("hi", sender=sender))
        assert (answer.status, answer.body) == (202, {"duplicate": False})
    found = await world.stored("INBOUND", MessageReceived)
    assert [one.message.sender_address for one in found] == ["+1555", "+1666"]


async def test_an_account_that_was_made_again_takes_what_the_one_before_it_had(
    world: World,
) -> None:
    """Whoever connects anew begins anew with `m-1`, and was told that we have it already."""
    assert (await world.post(HELLO)).body == {"duplicate": False}
    world.directory.accounts[world.tenant, "shop"].incarnation = 3
    await world.change("shop")
    await until(lambda: taken_again(world))
    first, second = await world.stored("INBOUND", MessageReceived)
    assert (first.account_incarnation, second.account_incarnation) == (0, 3)


async def taken_again(world: World) -> bool:
    return (await world.post(HELLO)).body["duplicate"] is False


async def test_a_padded_sender_is_the_sender_and_a_padded_id_the_message(world: World) -> None:
    """Half a megabyte of blanks passed as an address, and its replies never left."""
    body = InboundMessage(
        provider_message_id=" m-1\n", sender_address="+1555" + " " * 540_000, text=" hi "
    )
    assert (await world.post(saying(" hi "))).body == {"duplicate": False}
    padded = json_format.MessageToJson(body).encode()
    assert (await world.post(padded)).body == {"duplicate": True}
    assert await publish(world, body.SerializeToString()), "the same message, another wire"
    (stored,) = await world.stored("INBOUND", MessageReceived)
    assert stored.message.sender_address == "+1555"
    assert stored.message.text == " hi "


async def test_another_text_under_a_known_id_is_refused_on_every_wire(world: World) -> None:
    assert (await world.post(saying("yes"))).status == 202
    refused = await world.post(saying("no"))
    assert (refused.status, refused.reason) == (409, "MESSAGE_ID_REUSED")
    assert refused.body["code"] == "ALREADY_EXISTS"

    no = InboundMessage(provider_message_id="m-1", sender_address="+1555", text="no")
    with pytest.raises(grpc.aio.AioRpcError) as over_grpc:
        await publish(world, no.SerializeToString())
    assert over_grpc.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reason_of(over_grpc.value) == "MESSAGE_ID_REUSED"

    await submit(world, submitted(world, message=no).SerializeToString())
    (told,) = await until(lambda: world.stored("INGESTION", MessageRefused))
    assert (told.reason, told.provider_message_id) == ("MESSAGE_ID_REUSED", "m-1")

    again = await world.post(saying("yes"))
    assert (again.status, again.body) == (202, {"duplicate": True})
    assert [one.message.text for one in await world.stored("INBOUND", MessageReceived)] == ["yes"]


async def test_of_two_texts_under_one_id_at_once_one_is_accepted(world: World) -> None:
    answers = await asyncio.gather(*(world.post(saying(str(number % 2))) for number in range(10)))
    assert {answer.status for answer in answers} == {202, 409}
    (stored,) = await world.stored("INBOUND", MessageReceived)
    accepted = {number % 2 for number, answer in enumerate(answers) if answer.status == 202}
    assert accepted == {int(stored.message.text)}


async def test_another_text_that_another_replica_took_is_for_conversations_to_compare(
    world: World, settings: dict[str, Any]
) -> None:
    other = Settings(
        grpc_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        directory_address=world.directory.address,
        service_secret="ingestion",
        **settings,
    )
    assert (await world.post(saying("yes"))).status == 202
    async with service(other) as running, aiohttp.ClientSession() as http:
        url = f"http://{running.http_address}/channels/{world.tenant}/shop/messages"
        for text in ("no", "no", "yes"):
            body = saying(text)
            signed = {HEADER: sign(SECRET, body, datetime.now(UTC))}
            async with http.post(url, data=body, headers=signed) as answer:
                assert answer.status == 202
    told = [one.message.text for one in await world.stored("INBOUND", MessageReceived)]
    assert told == ["yes", "no", "yes"]


async def test_twenty_bodies_that_unpack_to_a_thousand_times_as_much_hold_nobody_up(
    world: World,
) -> None:
    bomb = gzip.compress(bytes(1 << 20)) * 980
    path = f"/channels/{world.tenant}/shop/messages"
    packed = {"Content-Encoding": "gzip"}
    *bombs, honest = await asyncio.wait_for(
        asyncio.gather(
            *(world.raw("POST", path, bomb, packed) for _ in range(20)), world.post(HELLO)
        ),
        timeout=5,
    )
    assert {(one.status, one.reason) for one in bombs} == {(415, "CONTENT_ENCODING_REFUSED")}
    assert honest.status == 202


async def test_a_signature_over_what_would_be_unpacked_helps_nobody(world: World) -> None:
    for body in (HELLO, gzip.compress(HELLO)):
        signed = {HEADER: sign(SECRET, body, datetime.now(UTC)), "Content-Encoding": "gzip"}
        path = f"/channels/{world.tenant}/shop/messages"
        answer = await world.raw("POST", path, gzip.compress(HELLO), signed)
        assert (answer.status, answer.reason) == (415, "CONTENT_ENCODING_REFUSED")
    assert not await world.stored("INBOUND", MessageReceived)


async def publish(world: World, message: bytes, *, secret: str = SECRET, to: str = "shop") -> bool:
    metadata = ((HEADER.lower(), sign(secret, message, datetime.now(UTC))),)
    async with grpc.aio.insecure_channel(world.running.grpc_address) as channel:
        request = PublishRequest(tenant_id=world.tenant, channel_account_id=to, message=message)
        return bool(
            (await IngestionServiceStub(channel).Publish(request, metadata=metadata)).duplicate
        )


async def submit(
    world: World,
    payload: bytes,
    *,
    headers: dict[str, str] | None = None,
    secret: str = SECRET,
) -> None:
    subject = subject_of(MessageSubmitted(tenant_id=world.tenant))
    signature = {HEADER: sign(secret, payload, datetime.now(UTC))}
    await world.bus.js.publish(subject, payload, headers={**signature, **(headers or {})})


def submitted(world: World, **changes: Any) -> MessageSubmitted:
    given = {"tenant_id": world.tenant, "channel_account_id": "shop", "message": WIRE, **changes}
    return MessageSubmitted(**given)


async def received(world: World) -> MessageReceived:
    found = await until(lambda: world.stored("INBOUND", MessageReceived))
    assert len(found) == 1
    return found[0]


async def test_grpc_and_the_bus_hand_in_what_the_webhook_does(world: World) -> None:
    await world.post(HELLO)
    by_webhook = await received(world)
    assert await publish(world, WIRE.SerializeToString()), "the same message, another wire"

    for payload, headers in (
        (submitted(world).SerializeToString(), {}),
        (
            json_format.MessageToJson(submitted(world)).encode(),
            {"content-type": "application/json"},
        ),
    ):
        await world.bus.js.purge_stream("INBOUND")
        await submit(world, payload, headers=headers)
        await drained(world.bus, "SUBMISSIONS", "ingestion-accept-message")
    assert not await world.stored("INBOUND", MessageReceived), "known by its id for two minutes"
    assert not await world.stored("INGESTION", MessageRefused)
    assert by_webhook.message == WIRE


async def test_a_first_message_by_grpc_equals_the_webhook_s(world: World) -> None:
    assert not await publish(world, WIRE.SerializeToString())
    assert (await received(world)).message == WIRE


@pytest.mark.parametrize("form", ["protobuf", "json"])
async def test_a_first_message_by_the_bus_equals_the_webhook_s(world: World, form: str) -> None:
    event = submitted(world)
    if form == "json":
        payload = json_format.MessageToJson(event).encode()
        await submit(world, payload, headers={"Content-Type": "application/json; charset=utf-8"})
    else:
        await submit(world, event.SerializeToString())
    found = await received(world)
    assert (found.message, found.channel, found.queue_id) == (WIRE, CHANNEL_CUSTOM, "sales")


@pytest.mark.parametrize(
    ("payload", "secret", "reason"),
    [
        (lambda world: submitted(world).SerializeToString(), "wrong", "SIGNATURE_REFUSED"),
        (
            lambda world: submitted(world, channel_account_id="none").SerializeToString(),
            SECRET,
            "CHANNEL_ACCOUNT_NOT_FOUND",
        ),
        (
            lambda world: submitted(world, message=InboundMessage()).SerializeToString(),
            SECRET,
            "PROVIDER_MESSAGE_ID_MISSING",
        ),
        (
            lambda world: submitted(world, tenant_id="other").SerializeToString(),
            SECRET,
            "MESSAGE_MALFORMED",
        ),
        (lambda _: b"\xff\xff", SECRET, "MESSAGE_MALFORMED"),
    ],
)
async def test_a_connector_on_the_bus_may_read_why_it_was_refused(
    world: World, payload: Callable[[World], bytes], secret: str, reason: str
) -> None:
    await submit(world, payload(world), secret=secret)
    refused = (await until(lambda: world.stored("INGESTION", MessageRefused)))[0]
    assert (refused.tenant_id, refused.reason) == (world.tenant, reason)
    assert not await world.stored("INBOUND", MessageReceived)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"providerMessageId": ""}, 400, "PROVIDER_MESSAGE_ID_MISSING"),
        ({"senderAddress": ""}, 400, "SENDER_ADDRESS_MISSING"),
        ({"text": ""}, 400, "TEXT_MISSING"),
        ({"text": "x" * 8001}, 400, "TEXT_TOO_LONG"),
        ({"text": 5}, 400, "MESSAGE_MALFORMED"),
    ],
)
async def test_a_bad_message_is_refused_alike_by_webhook_and_grpc(
    world: World, change: dict[str, Any], status: int, reason: str
) -> None:
    bad = {**json.loads(HELLO), **change}
    answer = await world.post(json.dumps(bad).encode())
    assert (answer.status, answer.reason) == (status, reason)
    assert answer.body["code"] == "INVALID_ARGUMENT"
    assert answer.body["message"]
    if reason != "MESSAGE_MALFORMED":
        wire = json_format.ParseDict(bad, InboundMessage()).SerializeToString()
        assert await _refused(publish(world, wire)) == ("INVALID_ARGUMENT", reason)


async def _refused(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code().name, reason_of(error.value)


async def test_malformed_json_and_protobuf_are_refused(world: World) -> None:
    for body in (b"{", b"", b"[" * 100_000):
        answer = await world.post(body)
        assert (answer.status, answer.reason) == (400, "MESSAGE_MALFORMED")
    assert await _refused(publish(world, b"\xff\xff")) == ("INVALID_ARGUMENT", "MESSAGE_MALFORMED")


async def test_a_wrong_signature_is_refused_alike_everywhere(world: World) -> None:
    answer = await world.post(HELLO, secret="wrong")
    assert (answer.status, answer.reason) == (401, "SIGNATURE_REFUSED")
    path = f"/channels/{world.tenant}/shop/messages"
    unsigned = await world.raw("POST", path, HELLO)
    assert unsigned == unsigned.__class__(401, answer.body, unsigned.headers)
    call = publish(world, WIRE.SerializeToString(), secret="wrong")
    assert await _refused(call) == ("UNAUTHENTICATED", "SIGNATURE_REFUSED")


async def test_an_unknown_account_is_not_found_whatever_the_wire(world: World) -> None:
    for account in ("none", "web", "a.b", "*"):
        answer = await world.post(HELLO, account=account)
        assert (answer.status, answer.reason) == (404, "CHANNEL_ACCOUNT_NOT_FOUND")
        call = publish(world, WIRE.SerializeToString(), to=account)
        assert await _refused(call) == ("NOT_FOUND", "CHANNEL_ACCOUNT_NOT_FOUND")


async def test_a_tenant_that_cannot_exist_is_not_found_rather_than_an_outage(world: World) -> None:
    answer = await world.raw("POST", f"/channels/{world.tenant.upper()}/shop/messages", HELLO)
    assert (answer.status, answer.reason) == (404, "CHANNEL_ACCOUNT_NOT_FOUND")


async def test_an_oversized_body_is_refused(world: World) -> None:
    answer = await world.post(b"x" * (1024 * 1024 + 1))
    assert (answer.status, answer.reason) == (413, "BODY_TOO_LARGE")
    answer = await world.post(b"x" * (1024 * 1024))
    assert (answer.status, answer.reason) == (400, "MESSAGE_MALFORMED")


async def test_thousands_of_unsigned_requests_leave_the_bus_and_the_directory_alone(
    world: World,
) -> None:
    path = f"/channels/{world.tenant}/shop/messages"
    before = world.bus.nc.stats["in_msgs"]
    for _ in range(20):
        answers = await asyncio.gather(*(world.raw("POST", path, HELLO) for _ in range(50)))
        assert {answer.status for answer in answers} == {401}
    for stream in ("SUBMISSIONS", "INBOUND"):
        assert (await world.bus.js.stream_info(stream)).state.messages == 0
    assert world.bus.nc.stats["in_msgs"] - before < 10
    assert world.directory.asked == 1


async def test_an_outage_of_the_directory_is_bridged_by_what_is_known(world: World) -> None:
    assert (await world.post(HELLO)).status == 202
    world.directory.out = True
    assert (await world.post(HELLO)).status == 202
    answer = await world.post(HELLO, account="never-seen")
    assert (answer.status, answer.reason) == (503, "DEPENDENCY_UNAVAILABLE")
    assert answer.headers["Retry-After"]


async def test_a_new_secret_counts_as_soon_as_it_is_announced(world: World) -> None:
    assert (await world.post(HELLO)).status == 202
    world.directory.accounts[world.tenant, "shop"].secrets[:] = ["rotated"]
    assert (await world.post(HELLO)).status == 202, "cached"
    await world.change("shop")

    async def refused() -> bool:
        return (await world.post(HELLO)).status == 401

    await until(refused)
    assert (await world.post(HELLO, secret="rotated")).status == 202
