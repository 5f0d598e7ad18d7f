"""What the router and the channels say: the latest word stands, in whatever order it comes."""

from itertools import permutations

import pytest

from services.conversations.domain.message import Delivery, farewell_id
from tests.unit.conversations.fakes import Desk, agent, received


@pytest.mark.parametrize("order", [*permutations([(1, ""), (2, "ana"), (3, ""), (4, "bea")])])
async def test_the_highest_revision_says_who_holds_it(order: list[tuple[int, str]]) -> None:
    desk = Desk()
    await desk.append(received("p-1"))
    it = await desk.latest()
    for revision, assignee_id in order:
        await desk.note("acme", it.id, revision, "sales", assignee_id)
    assert (await desk.latest()).assignee_id == "bea"


async def test_a_task_that_waits_in_another_queue_takes_its_conversation_along() -> None:
    desk = Desk()
    it = await desk.held()
    await desk.note("acme", it.id, 2, "support", "")
    moved = await desk.latest()
    assert (moved.queue_id, moved.assignee_id) == ("support", "")


async def test_a_task_that_is_no_conversation_is_passed_over() -> None:
    desk = Desk()
    await desk.note("acme", "call-1", 1, "sales", "ana")
    await desk.end("acme", "call-1")
    await desk.merge("acme", "call-1", "m-1", Delivery.SENT, "")


async def test_the_end_of_the_task_closes_once() -> None:
    desk = Desk()
    it = await desk.held()
    await desk.end("acme", it.id)
    closed = await desk.latest()
    assert closed.closed
    assert closed.closed.by == ""
    await desk.end("acme", it.id)
    assert await desk.latest() == closed


async def test_the_end_of_the_task_after_a_close_changes_nothing() -> None:
    desk = Desk()
    it = await desk.held()
    await desk.close(agent(), it.id, "r-1")
    closed = await desk.latest()
    await desk.end("acme", it.id)
    assert await desk.latest() == closed


async def test_a_customer_whom_nobody_answers_is_told_what_the_queue_says_once() -> None:
    desk = Desk()
    await desk.append(received("p-1"))
    it = await desk.latest()
    await desk.end("acme", it.id, "Call us tomorrow.")
    await desk.end("acme", it.id, "Call us tomorrow.")
    closed = await desk.latest()
    assert closed.closed
    assert closed.message_count == 2
    told = await desk.messages.get("acme", farewell_id("acme", it.id))
    assert told
    assert (told.author_id, told.text) == ("", "Call us tomorrow.")


async def test_last_words_that_were_said_before_a_crash_are_not_said_again() -> None:
    desk = Desk()
    await desk.append(received("p-1"))
    it = await desk.latest()
    await desk.conversations.save(it, *it.take_leave("Call us tomorrow.", desk.clock()))
    await desk.end("acme", it.id, "Call us tomorrow.")
    closed = await desk.latest()
    assert closed.closed
    assert closed.message_count == 2


REPORTS = [Delivery.SENT, Delivery.FAILED, Delivery.DELIVERED, Delivery.READ]


@pytest.mark.parametrize("order", [*permutations(REPORTS)])
async def test_the_furthest_report_stands(order: list[Delivery]) -> None:
    desk = Desk()
    it = await desk.held()
    sent = await desk.reply(agent(), it.id, "r-1", "hola")
    for seen, report in enumerate(order, 1):
        await desk.merge("acme", it.id, sent.id, report, "NO_ROUTE")
        stored = await desk.messages.get("acme", sent.id)
        assert stored
        assert stored.delivery == max(order[:seen])
        assert bool(stored.delivery_cause) == (stored.delivery is Delivery.FAILED)


async def test_a_report_that_is_faster_than_the_store_is_not_lost() -> None:
    desk = Desk()
    it = await desk.held()
    events = it.reply("ana", "r-1", "hola", desk.clock())
    await desk.conversations.save(it, *events)  # and the process dies
    message = (await desk.latest()).staged[-1]
    await desk.merge("acme", it.id, message.id, Delivery.READ, "")
    stored = await desk.messages.get("acme", message.id)
    assert stored
    assert stored.delivery is Delivery.READ
    assert message not in (await desk.latest()).staged
