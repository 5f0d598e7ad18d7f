"""What a stream has said is in memory before anybody is served, and no record of it is the end."""

import asyncio
from datetime import timedelta

import pytest
from centralita.directory.v1.events_pb2 import QueueChanged, UserChanged
from google.protobuf.message import Message
from nats.js.errors import NotFoundError

from services.kernel import projection
from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.ids import new_id
from services.kernel.projection import projecting
from services.kernel.wire import outgoing, subject_of
from tests.streams import slow_projections, until

STREAM = "DIRECTORY"


async def say(bus: Bus, event: Message) -> None:
    await bus.publish(outgoing(event, event_id=new_id(), at=utc_now()))


def ana(tenant: str, version: int) -> UserChanged:
    return UserChanged(tenant_id=tenant, user_id="ana", version=version)


async def test_the_last_words_are_known_on_entering_and_further_ones_soon(
    bus: Bus, tenant: str
) -> None:
    users: list[int] = []
    queues: list[str] = []
    await say(bus, ana(tenant, 1))
    await say(bus, ana(tenant, 2))
    await say(bus, QueueChanged(tenant_id=tenant, queue_id="sales", version=1))
    takers = {
        UserChanged: lambda it: users.append(it.version),
        QueueChanged: lambda it: queues.append(it.queue_id),
    }
    async with projecting(bus, STREAM, takers):
        assert (users, queues) == ([2], ["sales"])
        await say(bus, ana(tenant, 3))
        await until(lambda: users == [2, 3])


async def test_who_asks_for_news_alone_is_spared_the_past(bus: Bus, tenant: str) -> None:
    heard: list[int] = []
    await say(bus, ana(tenant, 1))
    async with projecting(
        bus, STREAM, {UserChanged: lambda it: heard.append(it.version)}, new=True
    ):
        await say(bus, ana(tenant, 2))
        await until(lambda: heard == [2])


async def test_who_renews_knows_what_was_said_of_their_tenant_before_it_arrives(
    bus: Bus, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    slow_projections(monkeypatch)
    async with projecting(bus, STREAM, {UserChanged: lambda it: heard.append(it.version)}) as renew:
        await say(bus, ana(f"{tenant}x", 9))
        await say(bus, ana(tenant, 1))
        assert heard == []
        await renew(tenant)
        assert heard == [1]
        monkeypatch.setattr(projection, "RECENT", timedelta(0))
        await renew(tenant)
        assert heard == [1]


async def test_a_bus_that_does_not_answer_renews_nothing_and_refuses_nobody_longer(
    bus: Bus, tenant: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(projection, "LOOKED_UP_WITHIN_S", 0.0)
    async with projecting(bus, STREAM, {UserChanged: lambda it: None}) as renew:
        await renew(tenant)
    assert "what was said last is not known" in caplog.text


@pytest.mark.parametrize("headers", [None, {"ce-type": "of.Nothing"}, {"ce-type": "UserChanged"}])
async def test_what_nobody_can_read_is_passed_over(
    bus: Bus, tenant: str, headers: dict[str, str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []
    other = UserChanged(tenant_id=tenant, user_id="eve", version=1)
    await bus.js.publish(subject_of(other), b"\xff", headers=headers)
    async with projecting(bus, STREAM, {UserChanged: lambda it: heard.append(it.version)}):
        await say(bus, ana(tenant, 7))
        await until(lambda: heard == [7])
    assert "a record cannot be read and is passed over" in caplog.text


async def test_a_record_that_cannot_be_taken_does_not_end_the_service_at_every_start(
    bus: Bus, tenant: str
) -> None:
    heard: list[int] = []

    def take(event: UserChanged) -> None:
        if event.version == 1:
            raise KeyError(event.user_id)
        heard.append(event.version)

    await say(bus, ana(tenant, 1))
    async with projecting(bus, STREAM, {UserChanged: take}):
        await say(bus, ana(tenant, 2))
        await until(lambda: heard == [2])


async def test_a_reader_that_fails_takes_the_service_with_it(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExceptionGroup) as ended:
        async with projecting(bus, "NO_SUCH_STREAM", {UserChanged: lambda it: None}):
            await asyncio.Event().wait()
    assert ended.group_contains(NotFoundError)
