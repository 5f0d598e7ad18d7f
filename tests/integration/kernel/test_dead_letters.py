"""A message nobody can take is kept with its cause, and can be sent again (R7)."""

import asyncio
import json
import os
import sys
from datetime import timedelta
from typing import Any

import pytest
from centralita.conversations.v1.events_pb2 import ReplyRequested
from centralita.dispatch.v1.events_pb2 import TaskQueued
from faststream.nats import NatsRouter
from nats.js.api import RawStreamMsg

from services.kernel import dead, dead_letters, streams
from services.kernel.bus import Bus, connected
from services.kernel.consume import consumer, consuming
from services.kernel.wire import Outgoing
from tests.handled import DURABLE, STREAM, Recorder, queue_task
from tests.servers import NatsServer
from tests.streams import drained, until


async def letters(bus: Bus) -> list[RawStreamMsg]:
    return [letter async for letter in dead.letters(bus)]


def headers_of(letter: RawStreamMsg) -> dict[str, str]:
    return letter.headers or {}


async def test_poison_is_kept_at_once_and_not_tried_again(bus: Bus, tenant: str) -> None:
    recorder = Recorder()
    subject = f"cc.{tenant}.dispatch.v1.task.queued.chat"
    async with consuming(bus, recorder.router()):
        await bus.publish(Outgoing(subject, b"\xff\xff", {"Nats-Msg-Id": tenant, "ce-id": "e-1"}))
        await until(lambda: letters(bus))
        await drained(bus, STREAM, DURABLE)
    (letter,) = await letters(bus)
    assert letter.subject == f"dead.{STREAM}.{DURABLE}"
    assert letter.data == b"\xff\xff"
    known = headers_of(letter)
    assert known["Dead-Subject"] == subject
    assert known["Dead-Cause"] == "DecodeError"
    assert known["Dead-Deliveries"] == "1"
    assert known["ce-id"] == "e-1"
    assert not recorder.began


async def test_an_event_about_another_tenant_than_its_subject_is_poison(
    bus: Bus, tenant: str
) -> None:
    recorder = Recorder()
    event = TaskQueued(tenant_id="somebody-else", task_id="task-1").SerializeToString()
    async with consuming(bus, recorder.router()):
        await bus.publish(Outgoing(f"cc.{tenant}.dispatch.v1.task.queued.chat", event, {}))
        await until(lambda: letters(bus))
    assert not recorder.began


async def test_patience_that_ran_out_is_a_letter_with_the_cause(bus: Bus, tenant: str) -> None:
    async def fail(event: TaskQueued) -> None:
        raise ZeroDivisionError

    recorder = Recorder(fail)
    async with consuming(bus, recorder.router(max_deliver=2)):
        await queue_task(bus, tenant)
        await until(lambda: letters(bus))
        await drained(bus, STREAM, DURABLE)
    (letter,) = await letters(bus)
    assert headers_of(letter)["Dead-Cause"] == "ZeroDivisionError"
    assert headers_of(letter)["Dead-Deliveries"] == "2"


async def test_a_replayed_letter_is_handled_and_gone(bus: Bus, tenant: str) -> None:
    async def fail(event: TaskQueued) -> None:
        raise ZeroDivisionError

    async with consuming(bus, Recorder(fail).router(max_deliver=1)):
        await queue_task(bus, tenant, event_id="e-7")
        await until(lambda: letters(bus))
        await drained(bus, STREAM, DURABLE)
    mended = Recorder()
    async with consuming(bus, mended.router()):
        for letter in await letters(bus):
            await dead.replay(bus, letter)
        await until(lambda: mended.done == ["task-1"])
    assert mended.metas[0].event_id == "e-7"
    assert mended.metas[0].headers["Nats-Msg-Id"] != "e-7"
    assert await letters(bus) == []


async def test_a_work_queue_forgets_only_after_the_letter_is_stored(bus: Bus, tenant: str) -> None:
    router = NatsRouter()

    @router.subscriber(  # type: ignore[untyped-decorator] # FastStream's overloads end here
        **consumer(ReplyRequested, stream="OUTBOUND", durable="tests-fail-reply", max_deliver=1)
    )
    async def fail_reply(event: ReplyRequested) -> None:
        raise ZeroDivisionError

    async with consuming(bus, router), dead_letters.keeping(bus):
        event = ReplyRequested(tenant_id=tenant).SerializeToString()
        await bus.publish(Outgoing(f"cc.{tenant}.conversations.v1.reply.requested", event, {}))
        await until(lambda: letters(bus))
        await drained(bus, "OUTBOUND", "tests-fail-reply")
        await drained(bus, "ADVISORIES", dead_letters.DURABLE)
    (letter,) = await letters(bus)
    assert letter.data == event
    assert (await bus.js.stream_info("OUTBOUND")).state.messages == 0


@pytest.mark.parametrize(
    ("stream", "subject"),
    [
        ("DISPATCH", "cc.{}.dispatch.v1.task.queued.chat"),
        ("OUTBOUND", "cc.{}.conversations.v1.reply.requested"),
    ],
)
async def test_what_kills_its_process_each_time_is_kept_too(
    bus: Bus, tenant: str, stream: str, subject: str
) -> None:
    """No handler lives to settle it: JetStream says so, and the dead-letter process listens."""
    async with dead_letters.keeping(bus):
        reader = await bus.js.pull_subscribe(
            subject.format("*"),
            durable="tests-crash",
            stream=stream,
            config=crashing(subject.format("*")),
        )
        await bus.publish(Outgoing(subject.format(tenant), b"deadly", {}))
        for _ in range(2):
            await reader.fetch(1, timeout=3)
        asking = asyncio.create_task(reader.fetch(1, timeout=5))
        (letter,) = await until(lambda: letters(bus))
        asking.cancel()
        assert headers_of(letter)["Dead-Cause"] == "MaxDeliveries"
        assert headers_of(letter)["Dead-Deliveries"] == "2"
        assert letter.data == b"deadly"
        if stream == "OUTBOUND":
            await until(lambda: gone(bus, stream))
        await asyncio.gather(asking, return_exceptions=True)


def crashing(subject: str) -> Any:
    return consumer(
        TaskQueued,
        stream=STREAM,
        durable="tests-crash",
        ack_wait=timedelta(seconds=0.2),
        max_deliver=2,
    )["config"].evolve(filter_subject=subject)


async def gone(bus: Bus, stream: str) -> bool:
    return (await bus.js.stream_info(stream)).state.messages == 0


async def test_the_command_lists_and_replays(nats_url: str, bus: Bus, tenant: str) -> None:
    async with consuming(bus, Recorder().router()):
        await bus.publish(Outgoing(f"cc.{tenant}.dispatch.v1.task.queued.chat", b"\xff", {}))
        await until(lambda: letters(bus))
        await drained(bus, STREAM, DURABLE)
    (line,) = (await command(nats_url, "list")).splitlines()
    told = json.loads(line)
    assert told["cause"] == "DecodeError"
    assert told["stream"] == STREAM
    assert await command(nats_url, "replay", str(told["seq"])) == f"{line}\n"
    assert await letters(bus) == []


async def test_the_command_drops_for_good(nats_url: str, bus: Bus) -> None:
    for stream in ("INBOUND", "SUBMISSIONS"):
        await bus.publish(Outgoing(f"dead.{stream}.y", b"of somebody to be forgotten", {}))
    await command(nats_url, "drop", "--all")
    assert await letters(bus) == []


async def test_the_command_knows_the_letters_of_strangers_apart(nats_url: str, bus: Bus) -> None:
    """Both streams count from one."""
    for stream in ("INBOUND", "SUBMISSIONS"):
        await bus.publish(Outgoing(f"dead.{stream}.y", b"", {"Dead-Stream": stream}))
    lines = [json.loads(line) for line in (await command(nats_url, "list")).splitlines()]
    assert [(told["in"], told["stream"]) for told in lines] == [
        ("DEAD", "INBOUND"),
        ("DEAD_SUBMISSIONS", "SUBMISSIONS"),
    ]
    await command(nats_url, "drop", str(lines[1]["seq"]), "--in", "DEAD_SUBMISSIONS")
    (left,) = await letters(bus)
    assert left.subject == "dead.INBOUND.y"
    assert await command(nats_url, "list", "--in", "DEAD_SUBMISSIONS") == ""
    await command(nats_url, "drop", str(lines[0]["seq"]))
    assert await letters(bus) == []


async def test_letters_of_strangers_from_before_are_found_where_they_lie(
    private_nats: NatsServer,
) -> None:
    """DEAD took them until they had a place of their own."""
    async with connected(private_nats.url, name="tests") as bus:
        await bus.js.delete_stream(dead.OF_STRANGERS)
        dead_stream = (await bus.js.stream_info(dead.STREAM)).config
        await bus.js.update_stream(dead_stream.evolve(subjects=["dead.>"]))
        facts = {"Dead-Subject": "cc.t.ingestion.v1.message.submitted"}
        await bus.publish(Outgoing("dead.SUBMISSIONS.c", b"as it was", facts))
        await streams.apply(bus.js)
        (letter,) = await letters(bus)
        await dead.replay(bus, letter)
        assert (await bus.js.get_msg("SUBMISSIONS", 1)).data == b"as it was"
        assert await letters(bus) == []


async def test_a_letter_stored_by_the_consumer_is_not_stored_again(bus: Bus, tenant: str) -> None:
    async with dead_letters.keeping(bus):
        async with consuming(bus, Recorder().router()):
            await bus.publish(Outgoing(f"cc.{tenant}.dispatch.v1.task.queued.chat", b"\xff", {}))
            await until(lambda: letters(bus))
        (first,) = await letters(bus)
        await until(lambda: advised(bus))
        await drained(bus, "ADVISORIES", dead_letters.DURABLE)
    (still,) = await letters(bus)
    assert still.seq == first.seq


STRAY = (
    b"",
    b"\xff",
    b"[]",
    b"{}",
    b"[" * 50_000,
    b'{"stream":"DISPATCH","stream_seq":1}',
    b'{"type":"something.else","stream":"DISPATCH","consumer":"c","stream_seq":1,"deliveries":1}',
    *(
        b'{"type":"io.nats.jetstream.advisory.v1.terminated",%s}' % rest
        for rest in (
            b'"stream":"DISPATCH","consumer":"c","stream_seq":"one","deliveries":1',
            b'"stream":"DISPATCH","consumer":"c","stream_seq":"1","deliveries":1',
            b'"stream":"DISPATCH","consumer":"c","stream_seq":-1,"deliveries":1',
            b'"stream":"DISPATCH","consumer":"c","stream_seq":1e400,"deliveries":1',
            b'"stream":"DISPATCH","consumer":"c","stream_seq":99999999999999999999999,"deliveries":1',
            b'"stream":"DISPATCH","consumer":"c","stream_seq":1,"deliveries":"often"',
            b'"stream":"DISPATCH","consumer":"a b.*","stream_seq":1,"deliveries":1',
            b'"stream":"no such","consumer":"c","stream_seq":1,"deliveries":1',
            b'"stream":7,"consumer":null,"stream_seq":1,"deliveries":1',
            b'"stream":"NOWHERE","consumer":"c","stream_seq":1,"deliveries":1',
            b'"stream":"WORKSPACE","consumer":"c","stream_seq":1,"deliveries":1',
            b'"stream":"ADVISORIES","consumer":"c","stream_seq":1,"deliveries":1',
            b'"stream":"DEAD","consumer":"c","stream_seq":1,"deliveries":1',
        )
    ),
)


async def test_stray_records_among_the_advisories_are_passed_over(bus: Bus, tenant: str) -> None:
    """They were tried again for ever, each half a minute.

    One about a stream that dead-letters may not read, too: the server is silent about it.
    """
    advisory = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.DISPATCH.c"
    await queue_task(bus, tenant)
    await bus.publish(Outgoing(f"cc.{tenant}.workspace.v1.card.changed.c", b"a card", {}))
    async with dead_letters.keeping(bus):
        for stray in STRAY:
            await bus.js.publish(advisory, stray)
        await drained(bus, "ADVISORIES", dead_letters.DURABLE)
    assert await letters(bus) == []


@pytest.mark.parametrize(
    ("lies_under", "subject"),
    [
        ("dead.INBOUND.c", "cc.{}.dispatch.v1.task.queued.chat"),
        ("dead.SUBMISSIONS.c", "cc.{}.ingestion.v1.message.received"),
        ("dead.DISPATCH.c", "dispatch.journal.0"),
        ("dead.DISPATCH.c", "cc.*.dispatch.v1.task.queued.chat"),
        ("dead.DISPATCH.c", "cc.{}.dispatch."),
        ("dead.DISPATCH.c", ""),
    ],
)
async def test_a_planted_letter_is_not_sent_where_it_says(
    bus: Bus, tenant: str, lies_under: str, subject: str
) -> None:
    about = {"Dead-Subject": subject.format(tenant)}
    await bus.publish(Outgoing(lies_under, b"planted", about))
    (letter,) = await letters(bus)
    with pytest.raises(dead.ForeignLetter):
        await dead.replay(bus, letter)
    assert [one.seq for one in await letters(bus)] == [letter.seq]
    for stream in ("DISPATCH", "DISPATCH_JOURNAL"):
        assert (await bus.js.stream_info(stream)).state.messages == 0


@pytest.mark.parametrize("lies_under", ["dead.NOWHERE.c", "dead.DISPATCH", "", None])
async def test_a_letter_of_no_stream_is_not_sent(bus: Bus, lies_under: str | None) -> None:
    """One that DEAD took while it took any."""
    about = {"Dead-Subject": "cc.t.dispatch.v1.task.queued.chat"}
    with pytest.raises(dead.ForeignLetter):
        await dead.replay(bus, RawStreamMsg(subject=lies_under, headers=about, data=b"planted"))


async def test_a_letter_for_a_foreign_stream_is_not_sent_there_and_holds_up_no_other(
    nats_url: str, bus: Bus, tenant: str
) -> None:
    """Who may write letters of one stream could otherwise speak in every other."""
    facts = {"Dead-Subject": "dispatch.journal.0", "Nats-Msg-Id": "made-up"}
    await bus.publish(Outgoing(f"dead.{STREAM}.{DURABLE}", b"forged", facts))
    facts = {"Dead-Subject": f"cc.{tenant}.dispatch.v1.task.queued.chat", "Nats-Msg-Id": "true"}
    await bus.publish(Outgoing(f"dead.{STREAM}.{DURABLE}", b"genuine", facts))
    said = await command(nats_url, "replay", "--all", ends=1)
    assert json.loads(said)["subject"] == facts["Dead-Subject"]
    assert (await bus.js.stream_info("DISPATCH_JOURNAL")).state.messages == 0
    assert (await bus.js.get_last_msg(STREAM, facts["Dead-Subject"])).data == b"genuine"
    (left,) = await letters(bus)
    assert left.data == b"forged"


async def advised(bus: Bus) -> bool:
    return (await bus.js.stream_info("ADVISORIES")).state.messages > 0


async def command(nats_url: str, *arguments: str, ends: int = 0) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.kernel.dead_letters",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NATS_URL": nats_url, "PYTHONPATH": ".:proto/gen"},
    )
    out, _ = await process.communicate()
    assert process.returncode == ends
    return out.decode()
