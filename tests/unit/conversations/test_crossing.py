"""A close that crosses a message leaves nobody unread: the message begins the next conversation."""

import asyncio

import pytest

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.events import Closed, Opened
from services.conversations.domain.message import Seen, inbound_id
from tests.unit.conversations.fakes import NINE, OWNER, Desk, agent, received


async def thread(desk: Desk, it: Conversation) -> list[str]:
    page = await desk.thread(OWNER, it.id, 0, None)
    return [message.text for message in page.messages]


async def crossed(desk: Desk) -> tuple[Conversation, Conversation]:
    """Close at the first of two messages, and return what is closed and what goes on."""
    it = await desk.held()
    await desk.append(received("p-2", "wait!"))
    closed, following = await desk.closed(agent(), it.id, "c-1", Seen(1))
    assert following
    return closed, following


async def closed_only(desk: Desk) -> Conversation:
    """Close at the first of two messages, and die before the next conversation is opened."""
    it = await desk.held()
    await desk.append(received("p-2", "wait!"))
    it = await desk.latest()
    await desk.store.now(it, it.staged)
    it = await desk.latest()
    unseen = await desk.go_on.unseen(it, Seen(1))
    await desk.conversations.save(it, *it.close("ana", "c-1", desk.clock(), unseen))
    return await desk.conversations.get("acme", it.id)


async def test_a_message_that_crosses_a_close_begins_the_next_conversation() -> None:
    desk = Desk()
    closed, following = await crossed(desk)
    assert await thread(desk, closed) == ["hola"]
    assert await thread(desk, following) == ["wait!"]
    assert following.continues == closed.id
    assert (following.message_count, following.queue_id) == (1, closed.queue_id)
    assert following.closed is None


async def test_who_held_it_is_named_to_the_router_and_who_closed_is_told_how_many() -> None:
    desk = Desk()
    closed, following = await crossed(desk)
    events = desk.conversations.events
    assert (following.id, Opened(following.opened_at, last_agent_id="ana")) in events
    (end,) = [event for owner, event in events if isinstance(event, Closed)]
    assert end.crossed == closed.crossed == (inbound_id("acme", "shop", "visitor", "p-2"),)


async def test_the_same_request_again_names_the_same_conversation() -> None:
    desk = Desk()
    closed, following = await crossed(desk)
    again = await desk.closed(agent(), closed.id, "c-1", Seen(1))
    assert [it and it.id for it in again] == [closed.id, following.id]
    await desk.append(received("p-2", "wait!"))
    assert (await desk.latest()).message_count == 1


@pytest.mark.parametrize("seen", [0, 2, 9])
async def test_what_was_seen_is_closed_along(seen: int) -> None:
    desk = Desk()
    it = await desk.held()
    await desk.append(received("p-2"))
    closed, following = await desk.closed(agent(), it.id, "c-1", Seen(seen))
    assert following is None
    assert len(await thread(desk, closed)) == 2


async def test_who_closes_without_having_seen_a_long_thread_moves_the_end_of_it_alone() -> None:
    """One document holds what crosses, so a hundred messages do, and never what it cannot hold."""
    desk = Desk()
    it = await desk.held()
    for number in range(2, 152):
        await desk.append(received(f"p-{number}", f"{number}"))
    closed, following = await desk.closed(agent(), it.id, "c-1", Seen(1))
    assert following
    assert (following.message_count, len(closed.crossed)) == (100, 100)
    texts = await thread(desk, following)
    assert texts[0] == "52"


async def test_what_crossed_and_was_erased_since_does_not_shut_the_lane() -> None:
    desk = Desk()
    it = await closed_only(desk)
    del desk.messages.documents[it.crossed[0]]
    assert await desk.go_on(it) is None
    assert not desk.conversations.pending
    await desk.append(received("p-3", "hello?"))
    assert await thread(desk, await desk.latest()) == ["hello?"]


async def test_a_reply_of_a_colleague_does_not_cross() -> None:
    desk = Desk()
    it = await desk.held()
    await desk.reply(agent(), it.id, "r-1", "buenas")
    _, following = await desk.closed(agent(), it.id, "c-1", Seen(1))
    assert following is None


async def test_what_came_after_the_router_ended_a_task_is_not_closed_along() -> None:
    desk = Desk()
    await desk.append(received("p-1"))
    it = await desk.latest()
    decided_at = desk.clock()
    await desk.append(received("p-2", "too late?"))
    await desk.end("acme", it.id, "We are closed.", decided_at)
    following = await desk.latest()
    assert following.continues == it.id
    assert await thread(desk, following) == ["too late?"]
    assert await thread(desk, await desk.conversations.get("acme", it.id)) == [
        "hola",
        "We are closed.",
    ]


async def test_it_waits_since_the_message_came() -> None:
    desk = Desk()
    _, following = await crossed(desk)
    (message,) = (await desk.thread(OWNER, following.id, 0, None)).messages
    assert following.opened_at == message.arrived_at > NINE


async def test_a_process_that_dies_between_close_and_opening_loses_nothing() -> None:
    desk = Desk()
    it = await closed_only(desk)
    # ... and the process is gone. The next message of the lane comes behind what crossed.
    await desk.append(received("p-3", "hello?"))
    following = await desk.latest()
    assert following.continues == it.id
    assert await thread(desk, following) == ["wait!", "hello?"]


async def test_what_crosses_one_close_may_cross_the_next() -> None:
    desk = Desk()
    _, second = await crossed(desk)
    await desk.append(received("p-3", "still here"))
    await desk.note("acme", second.id, 1, "sales", "ana")
    staged = (await desk.conversations.get("acme", second.id)).staged
    _, third = await desk.closed(agent(), second.id, "c-2", Seen(1))
    assert third
    await desk.messages.keep([(second, message) for message in staged])  # by one who was paused
    assert await thread(desk, third) == ["still here"]


async def test_two_who_go_on_at_once_open_one_conversation() -> None:
    desk = Desk()
    closed, following = await crossed(desk)
    found = await asyncio.gather(*(desk.go_on(closed) for _ in range(5)))
    assert {it and it.id for it in found} == {following.id}
