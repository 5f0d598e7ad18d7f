"""Customers' messages on real servers: once each, in one conversation, never lost (R1, R6)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import grpc
import pytest
from centralita.contacts.v1.contacts_service_pb2 import Identity, ResolveContactRequest
from centralita.contacts.v1.events_pb2 import ContactCreated
from centralita.conversations.v1.events_pb2 import ConversationOpened, MessageAppended
from centralita.conversations.v1.resources_pb2 import CONVERSATION_STATE_CLOSED, Message
from centralita.dispatch.v1.events_pb2 import TaskCancelled
from centralita.ingestion.v1.events_pb2 import MessageReceived
from grpc import StatusCode

from services.conversations.adapters.mongo_conversations import MongoConversations
from services.conversations.domain.conversation import Incoming, Lane, opening
from services.conversations.domain.errors import Stale
from services.conversations.domain.message import former_inbound_id, inbound_id
from services.kernel.clock import utc_now
from services.kernel.ending import ended
from services.kernel.outbox import Collection, Outbox
from tests.integration.conversations.rig import Rig, refused, shuffled
from tests.streams import until
from tests.tokens import bearer


async def test_a_message_opens_a_conversation_and_everyone_is_told_in_order(rig: Rig) -> None:
    conversation_id = await rig.opened("p-1")

    (opened,) = await rig.events("CONVERSATIONS", ConversationOpened)
    (appended,) = await rig.events("CONVERSATIONS", MessageAppended)
    assert opened.conversation_id == appended.conversation_id == conversation_id
    assert (opened.queue_id, opened.channel_account_id) == ("sales", "shop")
    first, second = [
        (await rig.bus.js.get_msg("CONVERSATIONS", n)).subject for n in await ours(rig)
    ]
    assert (first or "").endswith("conversation.opened")
    assert (second or "").endswith("message.appended")

    (message,) = await rig.thread(conversation_id)
    assert (
        message.message_id
        == appended.message_id
        == inbound_id(rig.tenant, "shop", "visitor-1", "p-1")
    )
    assert message.text == "hola"
    (contact,) = await rig.events("CONTACTS", ContactCreated)
    assert contact.contact_id == opened.contact_id


async def ours(rig: Rig) -> range:
    state = (await rig.bus.js.stream_info("CONVERSATIONS")).state
    return range(state.first_seq, state.last_seq + 1)


async def test_an_account_that_was_made_again_brings_messages_of_its_own(rig: Rig) -> None:
    conversation_id = await rig.opened("p-1")
    anew = rig.received("p-1", "hola otra vez")
    anew.account_incarnation = 3
    for _ in range(2):
        await rig.tell(anew)
    await rig.settled()
    thread = await rig.thread(conversation_id)
    assert [message.text for message in thread] == ["hola", "hola otra vez"]


async def test_ten_deliveries_of_one_message_at_once_make_one_message(rig: Rig) -> None:
    async with rig.another_replica():
        await asyncio.gather(*(rig.tell(rig.received("p-1")) for _ in range(10)))
        await rig.stored()
    (document,) = await rig.documents()
    assert (document["message_count"], document["version"], document["staged"]) == (1, 1, [])
    assert len(await rig.events("CONVERSATIONS", MessageAppended)) == 1
    assert len(await rig.thread(document["_id"])) == 1


async def test_a_burst_of_first_messages_opens_one_conversation(rig: Rig) -> None:
    async with rig.another_replica():
        await asyncio.gather(*(rig.tell(rig.received(f"p-{n}")) for n in range(20)))
        await rig.stored()
    (document,) = await rig.documents()
    assert (document["message_count"], document["staged"]) == (20, [])
    thread = await rig.thread(document["_id"])
    assert sorted(each.arrival for each in thread) == list(range(1, 21))
    assert len(await rig.events("CONVERSATIONS", ConversationOpened)) == 1
    assert len(await rig.events("CONVERSATIONS", MessageAppended)) == 20
    assert await rig.db["contacts"].count_documents({}) == 1


async def test_messages_redelivered_and_shuffled_end_as_in_a_clean_run(rig: Rig) -> None:
    events = [
        rig.received(
            f"p-{n}", text=str(n), sender=f"visitor-{n % 3}", sent_ms=1_700_000_000_000 + n
        )
        for n in range(12)
    ]
    await rig.tell(*shuffled([*events, *events, *events[:5]]))
    await rig.settled()
    documents = await rig.documents()
    assert [each["message_count"] for each in documents] == [4, 4, 4]
    threads = [await rig.thread(each["_id"]) for each in documents]
    assert sorted([m.text for m in thread] for thread in threads) == [
        ["0", "3", "6", "9"],
        ["1", "4", "7", "10"],
        ["2", "5", "8", "11"],
    ]


async def test_messages_that_come_as_it_closes_are_in_it_or_in_the_next(rig: Rig) -> None:
    conversation_id = await rig.opened("p-0")

    async def close_whatever_is_open(lap: int) -> None:
        for document in await rig.documents():
            with suppress(grpc.aio.AioRpcError):
                await rig.close(document["_id"], f"c-{lap}", rig.owner)

    writing = [rig.tell(rig.received(f"p-{n}")) for n in range(1, 31)]
    closing = [close_whatever_is_open(lap) for lap in range(6)]
    await asyncio.gather(*writing, *closing)
    await rig.settled()

    documents = await rig.documents()
    assert documents[0]["_id"] == conversation_id
    assert [each["ordinal"] for each in documents] == list(range(1, len(documents) + 1))
    assert all(each["state"] == "closed" for each in documents[:-1])
    where: Counter[str] = Counter()
    for document in documents:
        thread: list[Message] = list(await rig.thread(document["_id"]))
        assert sorted(m.arrival for m in thread) == list(range(1, document["message_count"] + 1))
        where.update(m.message_id for m in thread)
    assert where == Counter(
        inbound_id(rig.tenant, "shop", "visitor-1", f"p-{n}") for n in range(31)
    )


async def test_an_opening_decided_before_another_came_and_went_is_refused(rig: Rig) -> None:
    conversation_id = await rig.opened("p-1")
    (document,) = await rig.documents()
    first = incoming(rig, "p-1", "hola")
    # A handler of the same message looked before all that, was paused, and wakes up after it.
    lane = Lane(rig.tenant, "shop", document["contact_id"])
    decided = opening("conversation-of-the-past", lane, 1, first, utc_now())
    await rig.close(conversation_id, user=rig.owner)
    paused = MongoConversations(rig.db["conversations"], Outbox(rig.db["conversations"], rig.bus))
    with pytest.raises(Stale):
        await paused.save(decided, *decided.receive(first, utc_now()))
    assert len(await rig.documents()) == 1


class Dying(Outbox):
    """The relay of a process that dies: before it tells anybody, or right after."""

    def __init__(self, collection: Collection, rig: Rig, *, tells: bool) -> None:
        super().__init__(collection, rig.bus)
        self._tells = tells
        self.pull_with(self._never)

    def nudge(self, document_id: Any, waiting: Any = None) -> asyncio.Task[None]:
        if self._tells:
            return super().nudge(document_id, waiting)
        return asyncio.create_task(asyncio.sleep(0))

    async def _never(self, _: Sequence[str]) -> None:
        await asyncio.Event().wait()


async def staged_by_one_that_dies(rig: Rig, *, tells: bool) -> None:
    """Append `dos` as p-2, and no further."""
    collection = rig.db["conversations"]
    dying = MongoConversations(collection, relay := Dying(collection, rig, tells=tells))
    (document,) = await rig.documents()
    it = await dying.latest_in(Lane(rig.tenant, "shop", document["contact_id"]))
    assert it
    await dying.save(it, *it.receive(incoming(rig, "p-2"), utc_now()))
    await relay.nudge(it.id, ())
    await ended(relay._pulling)


def incoming(rig: Rig, provider_id: str, text: str = "dos") -> Incoming:
    message_id = inbound_id(rig.tenant, "shop", "visitor-1", provider_id)
    former = former_inbound_id(rig.tenant, "shop", provider_id)
    return Incoming(message_id, former, text, None, "visitor-1", "webchat", "sales")


@pytest.mark.parametrize("tells", [False, True])
async def test_what_a_crash_left_staged_is_read_and_then_stored(rig: Rig, *, tells: bool) -> None:
    conversation_id = await rig.opened("p-1")
    await rig.stored()
    await staged_by_one_that_dies(rig, tells=tells)
    assert [m.text for m in await rig.thread(conversation_id)] == ["hola", "dos"]

    await rig.stored()
    assert await rig.db["messages"].count_documents({}) == 2
    assert (await rig.documents())[0]["staged"] == []
    assert [m.text for m in await rig.thread(conversation_id)] == ["hola", "dos"]
    await rig.tell(rig.received("p-2", text="dos"))
    await rig.settled()
    assert (await rig.conversation(conversation_id)).message_count == 2


async def test_a_redelivery_finishes_what_a_crash_left_staged(rig: Rig) -> None:
    conversation_id = await rig.opened("p-1")
    await rig.stored()
    await staged_by_one_that_dies(rig, tells=False)
    await rig.tell(rig.received("p-2", text="dos"))
    await rig.stored()
    assert await rig.db["messages"].count_documents({}) == 2
    assert (await rig.conversation(conversation_id)).message_count == 2


async def test_an_event_stays_as_long_as_a_message_is_staged_beside_it(rig: Rig) -> None:
    nobody_sweeps = rig.db["elsewhere"]
    one = MongoConversations(nobody_sweeps, telling := Dying(nobody_sweeps, rig, tells=True))
    other = MongoConversations(nobody_sweeps, Dying(nobody_sweeps, rig, tells=False))
    first, second = incoming(rig, "p-1"), incoming(rig, "p-2")

    async def left() -> tuple[list[str], int]:
        document = await nobody_sweeps.find_one({}) or {}
        return [each["id"] for each in document["staged"]], len(document["outbox"])

    it = opening("it", Lane(rig.tenant, "shop", "vera"), 1, first, utc_now())
    await one.save(it, *it.receive(first, utc_now()))
    await telling.nudge("it", ())
    it = await other.get(rig.tenant, "it")
    await other.save(it, *it.receive(second, utc_now()))

    await one.unstage(["it"], [first.message_id])
    assert await left() == ([second.message_id], 3), "with the events gone nobody would find it"
    await one.unstage(["it"], [first.message_id, second.message_id])
    assert await left() == ([], 1), "of the second nobody has been told"
    assert telling.out(["it"]) == {}
    await ended(telling._pulling)


async def test_another_text_under_a_known_id_is_kept_for_people_and_named(rig: Rig) -> None:
    conversation_id = await rig.opened("p-1")
    await rig.stored()
    await rig.tell(rig.received("p-1", text="another"), rig.received("p-1"))
    await rig.settled()
    assert [each.text for each in await rig.thread(conversation_id)] == ["hola"]

    async def letters() -> list[tuple[str, str]]:
        state = (await rig.bus.js.stream_info("DEAD")).state
        found = [
            await rig.bus.js.get_msg("DEAD", sequence)
            for sequence in range(state.first_seq, state.last_seq + 1)
        ]
        return [
            (
                (one.headers or {})["Dead-Cause"],
                MessageReceived.FromString(one.data or b"").message.text,
            )
            for one in found
            if rig.tenant in (one.headers or {})["Dead-Subject"]
        ]

    assert await until(letters) == [("MessageIdReused", "another")]


async def test_one_id_of_two_senders_is_two_messages(rig: Rig) -> None:
    await rig.tell(rig.received("p-1"), rig.received("p-1", sender="visitor-2", text="salut"))
    await rig.stored()
    threads = [await rig.thread(each["_id"]) for each in await rig.documents()]
    assert sorted(message.text for thread in threads for message in thread) == ["hola", "salut"]


async def test_what_an_older_version_stored_is_still_the_same_message(rig: Rig) -> None:
    conversation_id = await rig.opened("p-1")
    await rig.stored()
    document = await rig.db["messages"].find_one({}) or {}
    await rig.db["messages"].delete_one({"_id": document["_id"]})
    former = former_inbound_id(rig.tenant, "shop", "p-1")
    await rig.db["messages"].insert_one({**document, "_id": former})

    await rig.tell(rig.received("p-1"), rig.received("p-1", sender="visitor-2"))
    await rig.stored()
    assert (await rig.conversation(conversation_id)).message_count == 1
    # The other sender is new and has their own; the second time they are known, and looked up.
    await rig.tell(rig.received("p-2", sender="visitor-2"), rig.received("p-1", sender="visitor-2"))
    await rig.stored()
    assert sorted(each["message_count"] for each in await rig.documents()) == [1, 2]


async def test_a_sender_whom_an_older_ingestion_passed_on_with_blanks_is_the_sender(
    rig: Rig,
) -> None:
    await rig.tell(rig.received("p-1"), rig.received("p-2", sender=f" visitor-1{' ' * 100_000}"))
    await rig.stored()
    (only,) = await rig.documents()
    assert only["message_count"] == 2
    assert only["recipient_address"] == "visitor-1"


async def test_a_conversation_that_cannot_be_read_is_not_its_next_messages_fault(rig: Rig) -> None:
    """Each one was a dead letter at once, also while a document was of a newer version."""
    conversation_id = await rig.opened("p-1")
    await rig.stored()
    of_it, stored = {"_id": conversation_id}, rig.db["conversations"]
    await stored.update_one(of_it, {"$rename": {"ordinal": "ordinal_of_tomorrow"}})
    await rig.tell(rig.received("p-2"))

    async def failed() -> bool:
        info = await rig.bus.js.consumer_info("INBOUND", "conversations-append-message")
        return bool(info.num_redelivered)

    await until(failed)
    await stored.update_one(of_it, {"$rename": {"ordinal_of_tomorrow": "ordinal"}})
    await rig.stored()
    assert (await rig.conversation(conversation_id)).message_count == 2
    assert (await rig.bus.js.stream_info("DEAD")).state.messages == 0


async def test_a_message_that_can_never_be_one_becomes_a_dead_letter(rig: Rig) -> None:
    nameless = rig.received("")
    await rig.tell(nameless, rig.received("p-1", text=""), rig.received("p-2", sender=" "))
    await rig.settled()
    assert await rig.documents() == []

    async def kept() -> bool:
        return (await rig.bus.js.stream_info("DEAD")).state.messages == 3

    await until(kept)


@pytest.mark.parametrize("farewell", ["", " ", "\u200b", "\0", "x" * 9_000])
async def test_whatever_a_queue_has_its_customers_told_the_conversation_ends(
    rig: Rig, farewell: str
) -> None:
    conversation_id = await rig.opened("p-1")
    await rig.tell(
        TaskCancelled(tenant_id=rig.tenant, task_id=conversation_id, revision=2, message=farewell)
    )
    await rig.settled()
    it = await rig.conversation(conversation_id)
    assert it.state == CONVERSATION_STATE_CLOSED
    assert it.message_count == (2 if farewell.startswith("x") else 1)
    await rig.tell(rig.received("p-2"))

    async def waits_anew() -> bool:
        return len(await rig.documents()) == 2

    await until(waits_anew)


@pytest.mark.parametrize("text", [" ", "\u200b\u2800", "\0\0"])
async def test_a_reply_of_which_nothing_shows_is_refused_by_name(rig: Rig, text: str) -> None:
    conversation_id = await rig.opened("p-1")
    await rig.assigned(conversation_id)
    async with refused(StatusCode.INVALID_ARGUMENT, "TEXT_MISSING"):
        await rig.reply(conversation_id, text=text)
    async with refused(StatusCode.INVALID_ARGUMENT, "TEXT_TOO_LONG"):
        await rig.reply(conversation_id, text="x" * 8_001)


async def test_an_address_of_which_nothing_shows_is_nobodys(rig: Rig) -> None:
    request = ResolveContactRequest(
        tenant_id=rig.tenant,
        identity=Identity(channel="webchat", channel_account_id="shop", address="\u200b"),
    )
    service = bearer(rig.issuer.service("conversations"))
    async with refused(StatusCode.INVALID_ARGUMENT, "IDENTITY_INVALID"):
        await rig.contacts.ResolveContact(request, metadata=service)
