"""The agents' side over real gRPC with real tokens: who may read, answer and close."""

import asyncio

import pytest
from centralita.contacts.v1 import contacts_service_pb2 as contacts_pb
from centralita.conversations.v1 import conversations_service_pb2 as pb
from centralita.conversations.v1.events_pb2 import (
    ConversationClosed,
    MessageAppended,
    ReplyRequested,
)
from centralita.conversations.v1.resources_pb2 import (
    CONVERSATION_STATE_CLOSED,
    CONVERSATION_STATE_OPEN,
    DIRECTION_OUTBOUND,
    Conversation,
)
from centralita.directory.v1.resources_pb2 import CHANNEL_WEBCHAT
from centralita.dispatch.v1.events_pb2 import TaskCancelled, TaskCompleted, TaskQueued
from grpc import StatusCode

from tests.integration.conversations.rig import Rig, refused
from tests.streams import slow_projections, until
from tests.tokens import bearer


async def test_a_reply_is_kept_and_sent_on_its_way(rig: Rig) -> None:
    conversation_id = await rig.opened()
    await rig.assigned(conversation_id)
    sent = await rig.reply(conversation_id, text="¿en qué puedo ayudar?")
    assert (sent.direction, sent.author_id, sent.arrival) == (DIRECTION_OUTBOUND, "ana", 2)
    await rig.settled()

    (requested,) = await rig.events("OUTBOUND", ReplyRequested)
    assert (requested.message_id, requested.text) == (sent.message_id, "¿en qué puedo ayudar?")
    assert requested.recipient_address == "visitor-1"
    assert (requested.channel, requested.channel_account_id) == (CHANNEL_WEBCHAT, "shop")
    assert list(await rig.thread(conversation_id, rig.user()))[1] == sent


async def test_a_repeated_reply_is_one_reply(rig: Rig) -> None:
    conversation_id = await rig.opened()
    await rig.assigned(conversation_id)
    answers = await asyncio.gather(*(rig.reply(conversation_id) for _ in range(8)))
    assert all(each == answers[0] for each in answers)
    await rig.settled()
    assert len(await rig.events("OUTBOUND", ReplyRequested)) == 1
    assert (await rig.conversation(conversation_id)).message_count == 2


async def test_a_reply_may_be_faster_than_the_news_of_the_assignment(rig: Rig) -> None:
    conversation_id = await rig.opened()
    async with rig.another_replica() as other:
        request = pb.ReplyRequest(
            conversation_id=conversation_id, request_id="r-other", text="desde la otra"
        )
        replies = [
            asyncio.create_task(rig.reply(conversation_id)),
            asyncio.create_task(_replied(other, request, rig.user())),
        ]
        await asyncio.sleep(0.05)  # both have looked and found nobody
        assert not any(each.done() for each in replies)
        await rig.tell(rig.assignment(conversation_id))
        await asyncio.gather(*replies)
    assert (await rig.conversation(conversation_id)).message_count == 3


async def _replied(stub: object, request: pb.ReplyRequest, user: object) -> None:
    await stub.Reply(request, metadata=user)  # type: ignore[attr-defined]  # a stub of another replica


async def test_what_is_wrong_with_a_reply_is_named(rig: Rig) -> None:
    conversation_id = await rig.opened()
    await rig.assigned(conversation_id, "bea")
    wrong = StatusCode.INVALID_ARGUMENT
    async with refused(wrong, "REQUEST_ID_MISSING"):
        await rig.reply(conversation_id, request_id="")
    async with refused(wrong, "TEXT_MISSING"):
        await rig.reply(conversation_id, text=" ")
    async with refused(wrong, "TEXT_TOO_LONG"):
        await rig.reply(conversation_id, text="x" * 8_001)
    async with refused(StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"):
        await rig.reply("conversation-of-nobody")
    async with refused(StatusCode.FAILED_PRECONDITION, "CONVERSATION_NOT_YOURS"):
        await rig.reply(conversation_id, user=rig.owner)
    async with refused(StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"):
        await rig.reply(conversation_id)  # ana is not in the queue, so she learns nothing
    await rig.close(conversation_id, user=rig.user("bea"))
    async with refused(StatusCode.FAILED_PRECONDITION, "CONVERSATION_CLOSED"):
        await rig.reply(conversation_id, user=rig.user("bea"))


async def test_a_close_is_told_once_and_repeated_alike(rig: Rig) -> None:
    conversation_id = await rig.opened()
    await rig.assigned(conversation_id)
    assert (await rig.conversation(conversation_id)).state == CONVERSATION_STATE_OPEN
    first = await rig.close(conversation_id)
    assert first.state == CONVERSATION_STATE_CLOSED
    assert first.HasField("closed_at")
    assert await rig.close(conversation_id) == first == await rig.conversation(conversation_id)
    async with refused(StatusCode.FAILED_PRECONDITION, "CONVERSATION_CLOSED"):
        await rig.close(conversation_id, "c-2")
    await rig.tell(TaskCompleted(tenant_id=rig.tenant, task_id=conversation_id, revision=3))
    await rig.settled()
    (closed,) = await rig.events("CONVERSATIONS", ConversationClosed)
    assert (closed.conversation_id, closed.closed_by) == (conversation_id, "ana")


async def test_the_end_of_the_task_ends_the_conversation(rig: Rig) -> None:
    conversation_id = await rig.opened()
    cancelled = TaskCancelled(tenant_id=rig.tenant, task_id=conversation_id, revision=2)
    stranger = TaskCancelled(tenant_id=rig.tenant, task_id="call-1", revision=2)
    await rig.tell(stranger, cancelled, cancelled)
    await rig.settled()
    (closed,) = await rig.events("CONVERSATIONS", ConversationClosed)
    assert (closed.conversation_id, closed.closed_by) == (conversation_id, "")
    await rig.tell(rig.received("p-2"))
    await rig.settled()
    assert [each["state"] for each in await rig.documents()] == ["closed", "open"]


async def test_the_router_decides_who_holds_it_in_whatever_order_it_is_heard(rig: Rig) -> None:
    conversation_id = await rig.opened()
    queued = TaskQueued(
        tenant_id=rig.tenant, task_id=conversation_id, revision=3, queue_id="support"
    )
    await rig.tell(queued)
    await rig.assigned(conversation_id, revision=2)
    it = await rig.conversation(conversation_id)
    assert (it.assignee_id, it.queue_id) == ("", "support")
    await rig.assigned(conversation_id, "bea", revision=4)
    assert (await rig.conversation(conversation_id)).assignee_id == "bea"


async def test_the_first_word_of_the_router_disturbs_nothing(rig: Rig) -> None:
    conversation_id = await rig.opened()
    first = TaskQueued(tenant_id=rig.tenant, task_id=conversation_id, revision=1, queue_id="sales")
    before = await rig.conversation(conversation_id)
    await rig.tell(first)
    await rig.settled()
    assert await rig.conversation(conversation_id) == before


async def test_an_agent_sees_what_waits_in_their_queues(rig: Rig) -> None:
    conversation_id = await rig.opened()
    ana = rig.user()
    async with refused(StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"):
        await rig.conversation(conversation_id, ana)
    await rig.tell(rig.member("ana", "sales", version=2))

    async def seen() -> bool:
        request = pb.GetConversationRequest(conversation_id=conversation_id)
        call = rig.conversations.GetConversation(request, metadata=ana)
        return await call.code() is StatusCode.OK

    await until(seen)
    await rig.tell(rig.member("ana", version=1))  # late news
    assert await seen()
    await rig.assigned(conversation_id, "bea")
    async with refused(StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"):
        await rig.thread(conversation_id, ana)


async def test_who_was_put_into_a_queue_a_moment_ago_works_on_what_waits_there_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await rig.opened()
    ana, sue = rig.user(), rig.user("sue", "supervisor")
    slow_projections(monkeypatch)
    async with rig.another_replica() as it:
        read = pb.GetConversationRequest(conversation_id=conversation_id)
        async with refused(StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"):
            await it.GetConversation(read, metadata=ana)
        await rig.tell(rig.member("ana", "sales"), rig.member("sue", "sales"))
        await it.GetConversation(read, metadata=ana)
        listing = pb.ListMessagesRequest(conversation_id=conversation_id)
        assert (await it.ListMessages(listing, metadata=ana)).messages
        close = pb.CloseConversationRequest(conversation_id=conversation_id, request_id="r-1")
        assert (await it.CloseConversation(close, metadata=sue)).conversation.closed_at.seconds


async def test_a_replica_knows_the_queues_of_everyone_once_it_is_ready(rig: Rig) -> None:
    conversation_id = await rig.opened()
    await rig.tell(*(rig.member(f"agent-{n}", "sales") for n in range(50)))
    async with rig.another_replica() as other:
        request = pb.GetConversationRequest(conversation_id=conversation_id)
        for n in (0, 49):
            await other.GetConversation(request, metadata=rig.user(f"agent-{n}"))


async def test_another_tenant_finds_nothing(rig: Rig) -> None:
    conversation_id = await rig.opened()
    await rig.assigned(conversation_id)
    stranger = rig.user("ana", "owner", tenant=f"{rig.tenant}x")
    gone = (StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND")
    async with refused(*gone):
        await rig.conversation(conversation_id, stranger)
    async with refused(*gone):
        await rig.thread(conversation_id, stranger)
    async with refused(*gone):
        await rig.reply(conversation_id, user=stranger)
    async with refused(*gone):
        await rig.close(conversation_id, user=stranger)
    contact_id = (await rig.conversation(conversation_id)).contact_id
    async with refused(StatusCode.NOT_FOUND, "CONTACT_NOT_FOUND"):
        await rig.contacts.GetContact(
            contacts_pb.GetContactRequest(contact_id=contact_id), metadata=stranger
        )


async def test_the_pages_together_are_the_thread(rig: Rig) -> None:
    now = 1_700_000_000_000
    await rig.tell(*(rig.received(f"p-{n}", str(n), sent_ms=now + n // 3) for n in range(25)))
    await rig.settled()
    (document,) = await rig.documents()
    expected = sorted(
        (m.sent_at.ToMilliseconds(), m.arrival) for m in await rig.thread(document["_id"])
    )
    seen: list[tuple[int, int]] = []
    token = ""
    while True:
        request = pb.ListMessagesRequest(
            conversation_id=document["_id"], page_size=4, page_token=token
        )
        page = await rig.conversations.ListMessages(request, metadata=rig.owner)
        seen += [(m.sent_at.ToMilliseconds(), m.arrival) for m in page.messages]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == 25
    assert seen == expected
    request = pb.ListMessagesRequest(conversation_id=document["_id"], page_token="x")
    async with refused(StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"):
        await rig.conversations.ListMessages(request, metadata=rig.owner)


async def test_nothing_that_is_kept_says_who_or_what(rig: Rig) -> None:
    conversation_id = await rig.opened()
    await rig.assigned(conversation_id)
    await rig.reply(conversation_id, text="canary-reply")
    await rig.settled()
    assert len(await rig.events("CONVERSATIONS", MessageAppended)) == 2
    for stream in ("CONVERSATIONS", "CONTACTS"):
        state = (await rig.bus.js.stream_info(stream)).state
        for sequence in range(state.first_seq, state.last_seq + 1):
            message = await rig.bus.js.get_msg(stream, sequence)
            told = f"{message.data!r} {message.headers} {message.subject}"
            for canary in ("hola", "canary-reply", "visitor-1", "Vera"):
                assert canary not in told


async def test_a_service_finds_the_open_conversation_of_an_address(rig: Rig) -> None:
    ingestion = bearer(rig.issuer.service("ingestion"))

    async def found(address: str, tenant: str = "") -> Conversation:
        request = pb.GetOpenConversationRequest(
            tenant_id=tenant or rig.tenant, channel_account_id="shop", address=address
        )
        answer = await rig.conversations.GetOpenConversation(request, metadata=ingestion)
        return answer.conversation

    async with refused(StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"):
        await found("visitor-1")
    conversation_id = await rig.opened()
    assert (await found("visitor-1")).conversation_id == conversation_id
    assert not (await found("visitor-1")).assignee_id
    for stranger in (found("visitor-2"), found("visitor-1", "other")):
        async with refused(StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"):
            await stranger
    await rig.assigned(conversation_id)
    assert (await found("visitor-1")).assignee_id == "ana"
    await rig.close(conversation_id)
    async with refused(StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"):
        await found("visitor-1")
    await rig.tell(rig.received("p-2"))
    await rig.settled()
    assert (await found("visitor-1")).conversation_id != conversation_id


async def test_nobody_but_ingestion_asks_by_address(rig: Rig) -> None:
    request = pb.GetOpenConversationRequest(
        tenant_id=rig.tenant, channel_account_id="shop", address="visitor-1"
    )
    for other in (rig.owner, bearer(rig.issuer.service("voice"))):
        async with refused(StatusCode.PERMISSION_DENIED, "SERVICE_NOT_ALLOWED"):
            await rig.conversations.GetOpenConversation(request, metadata=other)


async def test_the_directory_counts_what_is_open_on_an_account(rig: Rig) -> None:
    async def counted(account: str, tenant: str = "") -> int:
        request = pb.CountOpenConversationsRequest(
            tenant_id=tenant or rig.tenant, channel_account_id=account
        )
        token = bearer(rig.issuer.service("directory"))
        return (await rig.conversations.CountOpenConversations(request, metadata=token)).open

    assert await counted("shop") == 0
    conversation_id = await rig.opened()
    found = [await counted("shop"), await counted("other"), await counted("shop", "other")]
    assert found == [1, 0, 0]
    await rig.assigned(conversation_id)
    await rig.close(conversation_id)
    assert await counted("shop") == 0
