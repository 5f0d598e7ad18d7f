"""What was refused on the bus is told to who can sign for the account, and to nobody else."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from centralita.directory.v1.resources_pb2 import CHANNEL_CUSTOM
from centralita.ingestion.v1.events_pb2 import MessageRefused, MessageSubmitted
from centralita.ingestion.v1.resources_pb2 import InboundMessage
from google.protobuf.message import Message

from services.ingestion.adapters import refusals
from services.ingestion.domain.signature import HEADER, sign
from services.kernel.ids import new_id
from services.kernel.wire import outgoing, subject_of
from tests.integration.ingestion.world import SECRET, Answered, World
from tests.streams import until

OTHER_SECRET = "whsec_other"


async def submit(world: World, payload: Message | bytes, *, secret: str = SECRET) -> None:
    body = payload if isinstance(payload, bytes) else payload.SerializeToString()
    subject = subject_of(MessageSubmitted(tenant_id=world.tenant))
    signature = {HEADER: sign(secret, body, datetime.now(UTC))}
    await world.bus.js.publish(subject, body, headers=signature)


def without_text(world: World, message_id: str, account: str = "shop") -> MessageSubmitted:
    message = InboundMessage(provider_message_id=message_id, sender_address="+15550100001")
    return MessageSubmitted(tenant_id=world.tenant, channel_account_id=account, message=message)


async def refused(world: World, *message_ids: str, account: str = "shop") -> None:
    """Announce refusals as the handler of submissions does."""
    for message_id in message_ids:
        event = MessageRefused(
            tenant_id=world.tenant,
            channel_account_id=account,
            provider_message_id=message_id,
            reason="TEXT_MISSING",
        )
        await world.bus.publish(outgoing(event, event_id=new_id(), at=datetime.now(UTC)))


async def asked(world: World, secret: str = SECRET, account: str = "shop", **body: Any) -> Answered:
    return await world.post(
        json.dumps(body).encode(), account=account, secret=secret, what="refusals"
    )


def ids(answer: Answered) -> list[str]:
    assert answer.status == 200, answer
    return [one["providerMessageId"] for one in answer.body["refusals"]]


async def test_a_connector_reads_what_was_refused_of_its_messages_and_why(world: World) -> None:
    await submit(world, without_text(world, "m-1"))
    await until(lambda: _told(world))
    answer = await asked(world)
    (one,) = answer.body["refusals"]
    assert one.pop("refusedAt").endswith("Z")
    assert one == {"providerMessageId": "m-1", "reason": "TEXT_MISSING"}
    assert answer.body["more"] is False
    again = await asked(world, after=answer.body["after"])
    assert ids(again) == []
    assert again.body["after"] == answer.body["after"]


async def _told(world: World) -> bool:
    return bool(ids(await asked(world)))


async def test_what_could_not_be_read_is_told_too(world: World) -> None:
    await submit(world, b"\xff\xff")
    await until(lambda: _told(world))
    answer = await asked(world)
    assert answer.body["refusals"][0]["reason"] == "MESSAGE_MALFORMED"


async def test_another_account_and_another_tenant_read_nothing_of_it(
    world: World, tenant: str
) -> None:
    other = f"{tenant}-other"
    for named, account in ((tenant, "second"), (other, "shop")):
        world.directory.put(named, OTHER_SECRET, channel_account_id=account, channel=CHANNEL_CUSTOM)
    await refused(world, "m-1")
    assert ids(await asked(world)) == ["m-1"]
    assert ids(await asked(world, OTHER_SECRET, "second")) == []
    world.tenant = other
    assert ids(await asked(world, OTHER_SECRET, "shop")) == []


async def test_who_cannot_sign_for_the_account_reads_nothing(world: World) -> None:
    await refused(world, "m-1")
    for answer in (
        await asked(world, "wrong"),
        await world.raw("POST", f"/channels/{world.tenant}/shop/refusals", b"{}"),
    ):
        assert (answer.status, answer.reason) == (401, "SIGNATURE_REFUSED")
        assert "refusals" not in answer.body
    answer = await asked(world, account="none")
    assert (answer.status, answer.reason) == (404, "CHANNEL_ACCOUNT_NOT_FOUND")


async def test_pages_follow_each_other_and_leave_nothing_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also past those of another account, of which one page looks through only so many."""
    monkeypatch.setattr(refusals, "LOOKED_AT", 4)
    await refused(world, *(f"m-{number}" for number in range(3)))
    await refused(world, *(f"n-{number}" for number in range(6)), account="second")
    await refused(world, "m-3")
    found: list[str] = []
    after, more, pages = "", True, 0
    while more:
        answer = await asked(world, after=after, limit=2)
        found += ids(answer)
        after, more, pages = answer.body["after"], answer.body["more"], pages + 1
    assert found == ["m-0", "m-1", "m-2", "m-3"]
    assert pages == 4


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": True},
        {"limit": "5"},
        {"after": 5},
        {"after": "-1"},
        {"after": "9" * 17},
    ],
    ids=str,
)
async def test_a_question_out_of_bounds_is_refused(world: World, body: dict[str, Any]) -> None:
    answer = await asked(world, **body)
    assert (answer.status, answer.reason) == (400, "MESSAGE_MALFORMED")


async def test_what_lies_there_and_cannot_be_read_is_passed_over(world: World) -> None:
    subject = subject_of(MessageRefused(tenant_id=world.tenant))
    await world.bus.js.publish(subject, b"\xff\xff")
    await refused(world, "m-1")
    assert ids(await asked(world)) == ["m-1"]
