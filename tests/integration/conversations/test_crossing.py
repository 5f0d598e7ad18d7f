"""A close crosses a message, on real servers."""

import asyncio

from centralita.conversations.v1.events_pb2 import (
    ConversationClosed,
    ConversationOpened,
    MessageAppended,
)

from tests.integration.conversations.rig import Rig


async def test_who_closes_is_told_what_crossed_and_the_router_for_whom_it_is(rig: Rig) -> None:
    first = await rig.opened("p-1")
    await rig.assigned(first)
    await rig.tell(rig.received("p-2", "wait!"))
    await rig.settled()

    answer = await rig.close_at(1, first)
    assert answer.crossed_messages == 1
    assert answer.conversation.message_count == 1
    following = await rig.conversation(answer.continued_by)
    assert following.continues == first
    await rig.stored()

    assert [each.text for each in await rig.thread(first)] == ["hola"]
    (message,) = await rig.thread(answer.continued_by)
    assert (message.text, message.arrival) == ("wait!", 1)
    _, opened = await rig.events("CONVERSATIONS", ConversationOpened)
    assert (opened.continues, opened.last_agent_id) == (first, "ana")
    (closed,) = await rig.events("CONVERSATIONS", ConversationClosed)
    assert (closed.closed_by, closed.crossed_messages) == ("ana", 1)
    told = (await rig.events("CONVERSATIONS", MessageAppended))[-1]
    assert told.conversation_id == answer.continued_by

    assert await rig.close_at(1, first) == answer  # the same request again
    await rig.tell(rig.received("p-2", "wait!"))
    await rig.settled()
    assert len(await rig.thread(answer.continued_by)) == 1
    assert not await rig.db["conversations"].count_documents({"crossing": True})


async def test_no_message_that_nobody_has_seen_is_closed_along(rig: Rig) -> None:
    first = await rig.opened("p-0")
    await rig.assigned(first)
    async with rig.another_replica():
        writing = [rig.tell(rig.received(f"p-{n}", str(n))) for n in range(1, 26)]
        _, answer = await asyncio.gather(asyncio.gather(*writing), rig.close_at(1, first))
        await rig.stored()
    assert answer.conversation.message_count == 1
    assert [each.text for each in await rig.thread(first)] == ["hola"]
    _, *rest = await rig.documents()
    assert len(rest) == 1
    assert rest[0]["message_count"] == 25
    thread = await rig.thread(rest[0]["_id"])
    assert sorted(each.arrival for each in thread) == list(range(1, 26))


async def test_a_message_that_nobody_can_read_keeps_no_conversation_from_its_end(rig: Rig) -> None:
    first = await rig.opened("p-1")
    await rig.assigned(first)
    for number in 2, 3:
        await rig.tell(rig.received(f"p-{number}", str(number)))
    await rig.settled()
    await rig.stored()
    await rig.db["messages"].update_one({"arrival": 2}, {"$unset": {"text": ""}})

    answer = await rig.close_at(1, first)
    assert answer.crossed_messages == 1
    await rig.stored()
    assert [each.text for each in await rig.thread(answer.continued_by)] == ["3"]
