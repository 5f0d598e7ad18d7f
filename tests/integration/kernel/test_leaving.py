"""Whoever leaves is forgotten: no callback, line or lane of theirs stays behind."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

from centralita.dispatch.v1.events_pb2 import TaskQueued

from services.dispatch.adapters.replies import AwaitedReply, replies
from services.ingestion.adapters.bells import Bell, bells
from services.ingestion.domain.visitor import Visitor
from services.kernel.bus import Bus
from services.kernel.consume import consuming
from services.kernel.ending import ended
from services.kernel.mongo import Database
from services.kernel.outbox import entry, outbox
from services.kernel.tail import tail
from services.kernel.turns import Turns
from tests.handled import STREAM, Recorder
from tests.held import held, let_go
from tests.streams import until

MANY = 20


async def test_a_bus_calls_nobody_back_who_has_stopped_reading(bus: Bus) -> None:
    async def read(begun: asyncio.Event) -> None:
        async with aclosing(tail(bus, STREAM)) as batches:
            async for _ in batches:
                begun.set()

    before = set(bus._resumed)
    begun = [asyncio.Event() for _ in range(MANY)]
    reading = [asyncio.create_task(read(one)) for one in begun]
    async with consuming(bus, Recorder().router()):
        for one in begun:
            await one.wait()
        assert len(bus._resumed) > len(before) + MANY
    await ended(*reading)
    assert bus._resumed == before


async def test_a_visitor_whose_stream_ended_has_no_bell_any_more(bus: Bus, tenant: str) -> None:
    async def listen(number: int) -> None:
        with it.hung(Visitor(tenant, "web", f"v-{number % 3}"), f"client-{number % 4}") as bell:
            await bell.wait()
            raise ConnectionResetError

    async with bells(bus) as it:
        listening = [asyncio.create_task(listen(number)) for number in range(MANY)]
        await until(lambda: held(Bell) == MANY)
        it.ring_all()  # some leave by themselves, and the others are sent away
        await ended(*listening[::2])
        await asyncio.gather(*listening, return_exceptions=True)
        del listening
        await let_go(Bell)
        assert (len(it._hung), len(it._of_client)) == (0, 0)


async def test_nobody_who_stopped_waiting_for_an_answer_is_kept(bus: Bus) -> None:
    async def ask() -> None:
        with inbox.expect() as awaited:
            await awaited.within(60)

    async with replies(bus) as inbox:
        asking = [asyncio.create_task(ask()) for _ in range(MANY)]
        await until(lambda: held(AwaitedReply) == MANY)
        await ended(*asking)
        del asking
        await let_go(AwaitedReply)
        assert not inbox._awaited


async def test_a_line_in_which_nobody_waits_is_gone() -> None:
    turns: Turns[int] = Turns()

    async def wait(key: int) -> None:
        async with turns.of(key):
            await asyncio.Event().wait()

    waiting = [asyncio.create_task(wait(number % 3)) for number in range(MANY)]
    await until(lambda: len(turns._waiting) == 3)
    await ended(*waiting)
    assert not turns._waiting


async def test_a_document_whose_events_are_out_has_no_lane_any_more(
    bus: Bus, db: Database, tenant: str
) -> None:
    async with outbox(db["things"], bus) as relay:
        for number in range(MANY):
            event = TaskQueued(tenant_id=tenant, task_id=f"task-{number}", queue_id="q")
            waiting = [entry(event, datetime.now(UTC))]
            await db["things"].insert_one({"_id": number, "outbox": waiting})
            relay.nudge(number, waiting)
        assert relay._lanes
        await until(lambda: not relay._lanes)
        assert await db["things"].count_documents({"outbox": []}) == MANY
