"""A customer writes: one message for each provider message, one open conversation for a lane."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from centralita.directory.v1.resources_pb2 import CHANNEL_WEBCHAT
from centralita.ingestion.v1.events_pb2 import MessageReceived

from services.conversations import messages
from services.conversations.domain.errors import MessageIdReused, Unusable
from services.conversations.domain.events import Appended, Opened
from services.conversations.use_cases.staging import MOST_STAGED
from tests.unit.conversations.fakes import (
    NINE,
    OWNER,
    Desk,
    FakeConversations,
    FakeMessages,
    received,
)


async def test_the_first_message_opens_a_conversation_and_tells_so_first() -> None:
    desk = Desk()
    await desk.append(received("p-1"))
    it = await desk.latest()
    assert (it.ordinal, it.message_count, it.version) == (1, 1, 1)
    assert it.recipient_address == "visitor"
    assert [type(event) for _, event in desk.conversations.events] == [Opened, Appended]
    assert [message.id for message in it.staged] == [received("p-1").incoming.message_id]


async def test_a_staged_message_becomes_a_document_of_its_own_when_the_others_are_told() -> None:
    desk = Desk()
    for provider_id in ("p-1", "p-2"):
        await desk.append(received(provider_id))
    await desk.append(received("p-3", address="other"))
    await desk.store.told(list(desk.conversations.documents))
    assert not any(it.staged for it in desk.conversations.documents.values())
    assert len(desk.messages.documents) == 3


async def test_a_conversation_never_holds_many_staged_messages() -> None:
    desk = Desk()
    for n in range(100):
        await desk.append(received(f"p-{n}"))
        assert len((await desk.latest()).staged) <= MOST_STAGED


async def test_the_next_message_joins_it() -> None:
    desk = Desk()
    for provider_id in ("p-1", "p-2"):
        await desk.append(received(provider_id))
    it = await desk.latest()
    assert (it.ordinal, it.message_count) == (1, 2)


async def test_a_repeated_message_changes_nothing() -> None:
    desk = Desk()
    for _ in range(3):
        await desk.append(received("p-1"))
    assert (await desk.latest()).version == 1


@pytest.mark.parametrize("stored", [False, True])
async def test_one_id_of_two_senders_is_two_messages(*, stored: bool) -> None:
    desk = Desk()
    await desk.append(received("p-1", "hola"))
    if stored:
        await desk.store.told(list(desk.conversations.documents))
    await desk.append(received("p-1", "salut", address="other"))
    assert [it.message_count for it in desk.conversations.documents.values()] == [1, 1]


@pytest.mark.parametrize("stored", [False, True])
async def test_another_text_under_a_known_id_is_not_taken_for_the_same(*, stored: bool) -> None:
    desk = Desk()
    await desk.append(received("p-1", "yes"))
    if stored:
        await desk.store.told(list(desk.conversations.documents))
    with pytest.raises(MessageIdReused) as no:
        await desk.append(received("p-1", "no"))
    assert no.value.reason == "MESSAGE_ID_REUSED"
    assert (await desk.latest()).message_count == 1


@pytest.mark.parametrize("stored", [False, True])
async def test_what_an_older_version_stored_is_still_the_same_message(*, stored: bool) -> None:
    desk = Desk()
    now = received("p-1")
    before = replace(now.incoming, message_id=now.incoming.former_id)
    await desk.append(replace(now, incoming=before))
    if stored:
        await desk.store.told(list(desk.conversations.documents))
    await desk.append(now)
    assert (await desk.latest()).message_count == 1
    # Another sender's, though, was never that message.
    await desk.append(received("p-1", address="other"))
    await desk.append(received("p-2", address="other"))
    assert [it.message_count for it in desk.conversations.documents.values()] == [1, 2]


async def test_a_message_repeated_after_the_close_opens_nothing() -> None:
    desk = Desk()
    it = await desk.held()
    await desk.close(OWNER, it.id, "r-1")
    await desk.append(received("p-1"))
    assert len(desk.conversations.documents) == 1


async def test_a_message_after_the_close_opens_the_next_conversation() -> None:
    desk = Desk()
    it = await desk.held()
    await desk.close(OWNER, it.id, "r-1")
    await desk.append(received("p-2"))
    latest = await desk.latest()
    assert latest.id != it.id
    assert (latest.ordinal, latest.closed) == (2, None)


async def test_another_address_has_a_conversation_of_its_own() -> None:
    desk = Desk()
    await desk.append(received("p-1"))
    await desk.append(received("p-2", address="other"))
    assert len(desk.conversations.documents) == 2


async def test_twenty_first_messages_at_once_open_one_conversation() -> None:
    desk = Desk()
    await asyncio.gather(*(desk.append(received(f"p-{n}")) for n in range(20)))
    assert len(desk.conversations.documents) == 1
    assert (await desk.latest()).message_count == 20


@pytest.mark.parametrize("text", ["", "  \n", "\u200b", "\0", "x" * 8_001])
def test_a_text_that_no_message_may_have_is_unusable(text: str) -> None:
    event = MessageReceived(
        tenant_id="acme", channel_account_id="shop", channel=CHANNEL_WEBCHAT, queue_id="sales"
    )
    event.message.provider_message_id = event.message.sender_address = "p-1"
    event.message.text = text
    with pytest.raises(Unusable):
        messages.to_received(event)


async def test_the_thread_is_in_the_order_of_the_providers_time() -> None:
    desk = Desk()
    for provider_id, late in (("p-1", 3), ("p-2", 1), ("p-3", 2), ("p-4", 2)):
        await desk.append(received(provider_id, provider_id, NINE - timedelta(seconds=late)))
    it = await desk.latest()
    page = await desk.thread(OWNER, it.id, 0, None)
    assert [each.text for each in page.messages] == ["p-1", "p-3", "p-4", "p-2"]


async def test_a_time_that_cannot_be_true_is_the_time_of_arrival() -> None:
    desk = Desk()
    await desk.append(received("p-1", sent_at=NINE + timedelta(days=365)))
    it = await desk.latest()
    page = await desk.thread(OWNER, it.id, 0, None)
    assert page.messages[0].sent_at == it.opened_at


async def test_a_new_customer_is_not_looked_up_and_a_known_one_is() -> None:
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1

    desk = Desk(FakeConversations(look), FakeMessages(look))
    await desk.append(received("p-1"))
    opened = looks
    await desk.append(received("p-1"))
    assert (opened, looks) == (2, 3)  # before and after the one write; then the one look


async def test_a_customer_who_seemed_new_on_both_sides_opens_one_conversation() -> None:
    desk = Desk()
    desk.contacts.everyone_is_new = True
    for provider_id in ("p-1", "p-2", "p-1"):
        await desk.append(received(provider_id))
    assert (await desk.latest()).message_count == 2
