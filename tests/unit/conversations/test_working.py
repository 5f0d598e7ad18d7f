"""An agent answers and closes: only what is theirs, and once for each request."""

import asyncio
from dataclasses import replace

import pytest

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.errors import (
    ConversationClosed,
    ConversationNotFound,
    NotYours,
    RequestIdMissing,
    RequestIdReused,
)
from services.conversations.domain.events import Appended, ReplyRequested
from services.conversations.domain.message import Direction
from services.conversations.domain.visibility import Rank, Viewer
from tests.unit.conversations.fakes import OWNER, Desk, agent, received


async def test_a_reply_is_appended_and_asks_for_its_delivery() -> None:
    desk = Desk()
    it = await desk.held()
    sent = await desk.reply(agent(), it.id, "r-1", "buenos días")
    assert (sent.direction, sent.author_id, sent.arrival) == (Direction.OUTBOUND, "ana", 2)
    kinds = [type(event) for _, event in desk.conversations.events[-2:]]
    assert kinds == [Appended, ReplyRequested]
    assert not (await desk.latest()).staged


async def test_the_same_request_is_the_same_reply_even_after_the_close() -> None:
    desk = Desk()
    it = await desk.held()
    first = await desk.reply(agent(), it.id, "r-1", "buenos días")
    assert await desk.reply(agent(), it.id, "r-1", "buenos días") == first
    await desk.close(agent(), it.id, "r-2")
    assert await desk.reply(agent(), it.id, "r-1", "buenos días") == first
    assert (await desk.latest()).message_count == 2


async def test_a_request_id_is_not_taken_for_another_text() -> None:
    desk = Desk()
    it = await desk.held()
    await desk.reply(agent(), it.id, "r-1", "buenos días")
    with pytest.raises(RequestIdReused):
        await desk.reply(agent(), it.id, "r-1", "buenas noches")
    await desk.close(agent(), it.id, "r-2")
    with pytest.raises(RequestIdReused):
        await desk.reply(agent(), it.id, "r-1", "buenas noches")
    assert (await desk.latest()).message_count == 2


async def test_a_request_id_is_not_taken_for_a_close_of_another_sight() -> None:
    desk = Desk()
    it = await desk.held()
    await desk.close(agent(), it.id, "r-1", 1)
    with pytest.raises(RequestIdReused):
        await desk.close(agent(), it.id, "r-1", 2)
    closed = await desk.close(agent(), it.id, "r-1", 1)
    assert closed.id == it.id
    assert closed.closed
    by_an_older_version = replace(closed, closed=replace(closed.closed, seen=None))
    assert by_an_older_version.was_closed_by("ana", "r-1", 2)


async def test_two_agents_may_use_the_same_request_id() -> None:
    desk = Desk()
    it = await desk.held()
    first = await desk.reply(agent("ana"), it.id, "r-1", "soy Ana")
    await desk.note("acme", it.id, 2, "sales", "bea")
    second = await desk.reply(agent("bea"), it.id, "r-1", "soy Bea")
    assert second.id != first.id
    assert second.text == "soy Bea"


async def test_a_colleagues_conversation_is_not_yours() -> None:
    desk = Desk()
    it = await desk.held("bea")
    with pytest.raises(NotYours):
        await desk.reply(OWNER, it.id, "r-1", "hola")


async def test_what_you_may_not_see_is_not_found() -> None:
    desk = Desk()
    it = await desk.held("bea")
    stranger = agent("ana", "sales")  # their queue, but it no longer waits there
    with pytest.raises(ConversationNotFound):
        await desk.reply(stranger, it.id, "r-1", "hola")
    with pytest.raises(ConversationNotFound):
        await desk.close(stranger, it.id, "r-1")
    with pytest.raises(ConversationNotFound):
        await desk.read(stranger, it.id)
    with pytest.raises(ConversationNotFound):
        await desk.thread(stranger, it.id, 0, None)


async def test_another_tenant_finds_nothing() -> None:
    desk = Desk()
    it = await desk.held()
    other = Viewer("umbrella", "ana", Rank.OWNER)
    for attempt in (
        desk.reply(other, it.id, "r-1", "hola"),
        desk.close(other, it.id, "r-1"),
        desk.read(other, it.id),
    ):
        with pytest.raises(ConversationNotFound):
            await attempt


@pytest.mark.parametrize(
    "request_id",
    ["", "r 1", "r" * 65],
)
async def test_a_reply_without_a_usable_request_id_is_refused(request_id: str) -> None:
    desk = Desk()
    it = await desk.held()
    with pytest.raises(RequestIdMissing):
        await desk.reply(agent(), it.id, request_id, "hola")


async def test_a_reply_may_come_before_the_news_of_the_assignment() -> None:
    desk = Desk(pauses=(30.0,))  # the signal, not the clock, must end the wait
    await desk.append(received("p-1"))
    it = await desk.latest()
    replying = asyncio.create_task(desk.reply(agent(), it.id, "r-1", "hola"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not replying.done()
    await desk.note("acme", it.id, 1, "sales", "ana")
    assert (await replying).author_id == "ana"


async def test_a_reply_notices_what_another_replica_has_noted() -> None:
    desk = Desk(pauses=(0.0, 0.0, 0.0))
    await desk.append(received("p-1"))
    it = await desk.latest()
    replying = asyncio.create_task(desk.reply(agent(), it.id, "r-1", "hola"))
    await asyncio.sleep(0)
    await desk.conversations.note_task("acme", it.id, 1, "sales", "ana")
    assert (await replying).author_id == "ana"


async def test_the_assignee_closes_and_the_same_request_is_answered_alike() -> None:
    desk = Desk()
    it = await desk.held()
    closed = await desk.close(agent(), it.id, "r-1")
    assert not (await desk.latest()).staged
    assert (closed.closed, closed.version) == ((await desk.latest()).closed, it.version + 1)
    assert await desk.close(agent(), it.id, "r-1") == await desk.latest()
    with pytest.raises(ConversationClosed):
        await desk.close(agent(), it.id, "r-2")
    with pytest.raises(ConversationClosed):
        await desk.reply(agent(), it.id, "r-3", "hola")


async def test_a_supervisor_closes_in_their_queues_only() -> None:
    desk = Desk()
    it = await desk.held("bea")
    elsewhere = Viewer("acme", "sam", Rank.SUPERVISOR, frozenset({"support"}))
    with pytest.raises(ConversationNotFound):
        await desk.close(elsewhere, it.id, "r-1")
    here = Viewer("acme", "sam", Rank.SUPERVISOR, frozenset({"sales"}))
    assert (await desk.close(here, it.id, "r-1")).closed


async def test_an_agent_of_the_queue_may_not_close_what_waits_there() -> None:
    desk = Desk()
    await desk.append(received("p-1"))
    it = await desk.latest()
    with pytest.raises(NotYours):
        await desk.close(agent("ana", "sales"), it.id, "r-1")


async def sees(desk: Desk, viewer: Viewer, it: Conversation) -> bool:
    try:
        await desk.read(viewer, it.id)
    except ConversationNotFound:
        return False
    return True


async def test_each_role_sees_what_it_may() -> None:
    desk = Desk()
    await desk.append(received("p-1"))
    waiting = await desk.latest()
    in_queue, outside = agent("ana", "sales"), agent("ana", "support")
    supervisor = Viewer("acme", "sam", Rank.SUPERVISOR, frozenset({"sales"}))
    manager = Viewer("acme", "max", Rank.MANAGER)
    nobody = Viewer("acme", "ana", Rank.NOBODY, frozenset({"sales"}))

    assert [await sees(desk, it, waiting) for it in (in_queue, supervisor, manager)] == [True] * 3
    assert not await sees(desk, outside, waiting)
    assert not await sees(desk, nobody, waiting)

    await desk.note("acme", waiting.id, 1, "sales", "bea")
    assert not await sees(desk, in_queue, waiting)
    assert await sees(desk, supervisor, waiting)
    assert await sees(desk, agent("bea"), waiting)

    await desk.close(agent("bea"), waiting.id, "r-1")
    assert await sees(desk, agent("bea"), waiting)
