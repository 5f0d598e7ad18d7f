"""One connection: who it is, what it says when it is refused, and when it is over."""

import asyncio
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NoAnswer
from nats.js.errors import APIError

from services.kernel import jetstream, publisher
from services.kernel.bus import Bus, BusUnavailable, Overtaken, connected
from services.kernel.wire import Outgoing
from tests.handled import queue_task
from tests.servers import NatsServer, nats_server
from tests.streams import until


class WithoutJetStream(NatsServer):
    """The subjects of JetStream are like any other: a test may answer them, or not."""

    def command(self) -> list[str]:
        return [word for word in super().command() if word != "-js"]


async def answered_the_second_time(bus: Bus, subject: str, answer: bytes) -> list[Msg]:
    """Let the first message get lost; return what comes."""
    came: list[Msg] = []

    async def hear(message: Msg) -> None:
        came.append(message)
        if len(came) == 2:
            await message.respond(answer)

    await bus.nc.subscribe(subject, cb=hear)
    return came


async def test_credentials_stand_in_the_address(tmp_path: Path) -> None:
    with nats_server(tmp_path, "--user", "contacts", "--pass", "secret-1") as server:
        async with connected(server.url.replace("//", "//contacts:secret-1@"), name="c") as bus:
            assert await bus.nc.rtt() < 1


async def test_a_refused_login_ends_the_start_and_tells_no_secret(tmp_path: Path) -> None:
    with nats_server(tmp_path, "--user", "contacts", "--pass", "secret-1") as server:
        url = server.url.replace("//", "//contacts:secret-2@")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.kernel.dead_letters", "list"),
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "NATS_URL": url, "PYTHONPATH": ".:proto/gen"},
        )
        _, told = await process.communicate()
    assert process.returncode
    assert b"Authorization" in told
    assert b"secret" not in told


async def test_a_login_that_is_refused_later_is_tried_on(tmp_path: Path) -> None:
    """Accounts may be reloading; the framework would have left the client for dead, in silence."""
    right, wrong = ("--user", "c", "--pass", "secret-1"), ("--user", "c", "--pass", "secret-2")
    with nats_server(tmp_path, *right) as server:
        async with connected(server.url.replace("//", "//c:secret-1@"), name="c") as bus:
            for password in (wrong, right):
                server.kill()
                server._extra = password
                await asyncio.to_thread(server.start)
                await asyncio.sleep(0.7)
            await until(lambda: bus.nc.is_connected)
            assert await bus.nc.rtt() < 1
    gc.collect()  # a socket left open would be a warning now


async def test_a_connection_that_is_closed_for_good_says_so(nats_url: str) -> None:
    told: list[str] = []
    async with connected(nats_url, name="c", lost=lambda: told.append("lost")) as bus:
        await bus.nc.close()
        await until(lambda: told)
    async with connected(nats_url, name="c", lost=lambda: told.append("again")):
        pass
    assert told == ["lost"]


async def test_many_publishes_at_once_are_all_acknowledged(bus: Bus, tenant: str) -> None:
    had = await asyncio.gather(*(queue_task(bus, tenant, f"task-{n}") for n in range(500)))
    assert had == [False] * 500
    assert (await bus.js.stream_info("DISPATCH")).state.messages == 500


async def test_a_subject_that_no_stream_takes_is_not_stored(bus: Bus) -> None:
    with pytest.raises(BusUnavailable):
        await bus.publish(Outgoing("nobody.listens", b"", {"Nats-Msg-Id": "1"}), timeout=0.3)


async def test_what_a_lost_leader_never_answered_is_sent_again(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "RESEND_S", 0.05)
    asked = await answered_the_second_time(bus, "leaderless.x", b'{"seq": 7, "duplicate": true}')
    assert await bus.publish(Outgoing("leaderless.x", b"word", {"Nats-Msg-Id": "1"}), timeout=3)
    assert [it.data for it in asked] == [b"word", b"word"]


@pytest.mark.parametrize(("subject", "times"), [("STREAM.INFO", 2), ("CONSUMER.CREATE", 1)])
async def test_a_question_to_a_lost_leader_is_asked_again_and_an_order_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subject: str, times: int
) -> None:
    monkeypatch.setattr(jetstream, "RESEND_S", 0.1)
    server, answered = WithoutJetStream(tmp_path), False
    server.start()
    try:
        async with connected(server.url, name="tests") as bus:
            asked = await answered_the_second_time(bus, "$JS.API.>", b"{}")
            with suppress(NoAnswer):
                await bus.js._api_request(f"$JS.API.{subject}.X", b"", timeout=0.5)
                answered = True
    finally:
        server.stop()
    assert (len(asked), answered) == (times, times == 2)


async def test_what_the_stream_refuses_is_refused_for_good(bus: Bus, tenant: str) -> None:
    headers = {"Nats-Expected-Last-Sequence": "999999999"}
    with pytest.raises(APIError, match="wrong last sequence"):
        await bus.publish(Outgoing(f"cc.{tenant}.contacts.v1.x", b"", headers))


async def test_of_two_who_append_behind_the_same_message_one_is_overtaken(
    bus: Bus, tenant: str
) -> None:
    subject = f"cc.{tenant}.workspace.v1.card.changed.v-1"

    def word(event_id: str) -> Outgoing:
        return Outgoing(subject, event_id.encode(), {"Nats-Msg-Id": f"{tenant}-{event_id}"})

    first = await bus.append(word("one"), after=0)
    with pytest.raises(Overtaken):
        await bus.append(word("two"), after=0)
    second = await bus.append(word("three"), after=first)
    assert second > first
    with pytest.raises(Overtaken):
        await bus.append(word("three"), after=first)  # by itself: it is there already

    last = await bus.js.get_last_msg("WORKSPACE", subject)
    assert (last.seq, last.data) == (second, b"three")
