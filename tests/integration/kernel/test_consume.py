"""A handler's failures, its limits and its farewell, on a real server (R6, R7, R8)."""

import asyncio
import time
from datetime import timedelta
from itertools import pairwise
from statistics import median

import pytest
from centralita.directory.v1.resources_pb2 import TASK_CHANNEL_CALL, TASK_CHANNEL_CHAT
from centralita.dispatch.v1.events_pb2 import TaskQueued
from faststream.nats import NatsRouter

from services.kernel.bus import Bus, connected
from services.kernel.consume import Later, Misdeclared, consumer, consuming
from services.kernel.dead import letters
from services.kernel.wire import Outgoing
from tests.handled import DURABLE, STREAM, Recorder, queue_task
from tests.streams import drained, until


class Refusal(Exception):
    """An answer, as a domain gives it."""


async def test_a_failing_handler_is_retried_with_a_growing_delay(bus: Bus, tenant: str) -> None:
    async def fail_three_times(event: TaskQueued) -> None:
        if len(recorder.began) < 4:
            raise RuntimeError("the store is away")

    recorder = Recorder(fail_three_times)
    async with consuming(bus, recorder.router()):
        await queue_task(bus, tenant)
        await until(lambda: recorder.done, within=12)
        await drained(bus, STREAM, DURABLE)

    at = [when for _, when in recorder.began]
    gaps = [later - earlier for earlier, later in pairwise(at)]
    # Never sooner, and growing; how much later is the machine's business.
    assert all(gap > delay - 0.1 for gap, delay in zip(gaps, (0.5, 1, 2), strict=True))
    assert gaps == sorted(gaps)
    assert [one.delivered for one in recorder.metas] == [1, 2, 3, 4]


async def test_a_handler_that_wants_to_be_called_later_is_and_waits_are_not_counted(
    bus: Bus, tenant: str
) -> None:
    async def wait_ten_times(event: TaskQueued) -> None:
        if len(recorder.began) <= 10:
            raise Later(timedelta(milliseconds=100))

    recorder = Recorder(wait_ten_times)
    async with consuming(bus, recorder.router(give_up_after=timedelta(hours=1))):
        await queue_task(bus, tenant)
        await until(lambda: recorder.done, within=12)
        await drained(bus, STREAM, DURABLE)

    at = [when for _, when in recorder.began]
    assert median(later - earlier for earlier, later in pairwise(at)) < 0.4  # and does not grow
    assert (await bus.js.stream_info("DEAD")).state.messages == 0


async def test_what_fails_when_it_is_too_old_is_a_dead_letter(bus: Bus, tenant: str) -> None:
    async def wait_then_fail(event: TaskQueued) -> None:
        if len(recorder.began) < 3:
            raise Later(timedelta(milliseconds=100))
        raise RuntimeError

    recorder = Recorder(wait_then_fail)
    async with consuming(bus, recorder.router(give_up_after=timedelta(milliseconds=150))):
        await queue_task(bus, tenant)
        await drained(bus, STREAM, DURABLE)
    assert len(recorder.began) == 3
    (letter,) = [one async for one in letters(bus)]
    assert (letter.headers or {})["Dead-Cause"] == "RuntimeError"


async def test_a_refusal_that_nobody_asked_for_is_a_dead_letter(bus: Bus, tenant: str) -> None:
    async def refuse(event: TaskQueued) -> None:
        raise Refusal

    recorder = Recorder(refuse)
    async with consuming(bus, recorder.router(), final=(Refusal,)):
        await queue_task(bus, tenant)
        await until(lambda: recorder.began)
        await drained(bus, STREAM, DURABLE)
    assert len(recorder.began) == 1
    (letter,) = [one async for one in letters(bus)]
    assert (letter.headers or {})["Dead-Cause"] == "Refusal"


async def test_the_json_form_is_read_where_the_content_type_says_so(bus: Bus, tenant: str) -> None:
    recorder = Recorder()
    body = f'{{"tenantId": "{tenant}", "taskId": "of-a-connector", "unknown": 1}}'.encode()
    subject = f"cc.{tenant}.dispatch.v1.task.queued.unspecified"
    headers = {"content-type": "application/json", "Nats-Msg-Id": tenant}
    async with consuming(bus, recorder.router()):
        await bus.publish(Outgoing(subject, body, headers))
        await until(lambda: recorder.done == ["of-a-connector"])
    assert recorder.metas[0].event_id == tenant
    assert recorder.metas[0].payload == body


async def test_no_more_handlers_run_at_once_than_declared(bus: Bus, tenant: str) -> None:
    recorder = Recorder(lambda _: asyncio.sleep(0.01))
    async with consuming(bus, recorder.router(max_workers=3)):
        await asyncio.gather(*(queue_task(bus, tenant, f"task-{n}") for n in range(30)))
        await until(lambda: len(recorder.done) == 30)
    assert recorder.most_running == 3


async def test_one_worker_keeps_the_order_of_the_stream(bus: Bus, tenant: str) -> None:
    recorder = Recorder()
    names = [f"task-{n}" for n in range(50)]
    for name in names:
        await queue_task(bus, tenant, name)
    async with consuming(bus, recorder.router(max_workers=1)):
        await until(lambda: len(recorder.done) == 50)
    assert recorder.done == names


async def test_a_slow_handler_keeps_its_message(bus: Bus, tenant: str) -> None:
    recorder = Recorder(lambda _: asyncio.sleep(2.5))
    async with consuming(bus, recorder.router(ack_wait=timedelta(seconds=1))):
        await queue_task(bus, tenant)
        await until(lambda: recorder.done)
        await drained(bus, STREAM, DURABLE)
    assert len(recorder.began) == 1


async def test_a_handler_that_hangs_gives_its_message_back(bus: Bus, tenant: str) -> None:
    async def hang_once(event: TaskQueued) -> None:
        if len(recorder.began) == 1:
            await asyncio.Event().wait()

    recorder = Recorder(hang_once)
    async with consuming(bus, recorder.router(ack_wait=timedelta(seconds=0.4))):
        await queue_task(bus, tenant)
        await until(lambda: recorder.done, within=6)
    assert len(recorder.began) == 2


async def test_a_deleted_consumer_is_made_again(bus: Bus, tenant: str) -> None:
    recorder = Recorder()
    async with consuming(bus, recorder.router()):
        await queue_task(bus, tenant, "before")
        await until(lambda: recorder.done == ["before"])
        await bus.js.delete_consumer(STREAM, DURABLE)
        cpu = time.process_time()
        await queue_task(bus, tenant, "after")
        await until(lambda: "after" in recorder.done)
        await asyncio.sleep(0.5)
        assert time.process_time() - cpu < 0.4


async def test_a_durable_that_is_narrowed_goes_on_where_it_was(bus: Bus, tenant: str) -> None:
    """Nothing it is to hear is lost or comes twice; of the rest, only what was on its way."""
    await bus.js.add_consumer(
        STREAM, consumer(TaskQueued, stream=STREAM, durable=DURABLE)["config"]
    )
    for n in range(4):
        await queue_task(bus, tenant, f"call-{n}", channel=TASK_CHANNEL_CALL)
        await queue_task(bus, tenant, f"chat-{n}", channel=TASK_CHANNEL_CHAT)
    reader = await bus.js.pull_subscribe_bind(DURABLE, stream=STREAM)
    for n, message in enumerate(await reader.fetch(4)):
        await (message.ack() if n < 2 else message.nak())

    recorder = Recorder()
    async with consuming(bus, recorder.router(where={"channel": TASK_CHANNEL_CALL})):
        await queue_task(bus, tenant, "chat-4", channel=TASK_CHANNEL_CHAT)
        await queue_task(bus, tenant, "call-4", channel=TASK_CHANNEL_CALL)
        await until(lambda: "call-4" in recorder.done)
        await drained(bus, STREAM, DURABLE)
    assert sorted(recorder.done) == ["call-1", "call-2", "call-3", "call-4", "chat-1"]


async def test_a_durable_of_a_shorter_subject_takes_up_the_longer_one(
    bus: Bus, tenant: str
) -> None:
    """What an older version was told and did not settle is a dead letter, and not just gone."""
    shorter = f"cc.{tenant}.dispatch.v1.task.queued"
    declared = consumer(TaskQueued, stream=STREAM, durable=DURABLE)["config"]
    await bus.js.add_consumer(STREAM, declared.evolve(filter_subject=shorter))
    await bus.publish(Outgoing(shorter, TaskQueued(tenant_id=tenant).SerializeToString(), {}))
    reader = await bus.js.pull_subscribe_bind(DURABLE, stream=STREAM)
    (unsettled,) = await reader.fetch(1)
    await unsettled.nak()

    recorder = Recorder()
    async with consuming(bus, recorder.router()):
        await queue_task(bus, tenant, "new")
        await until(lambda: recorder.done == ["new"])
        await drained(bus, STREAM, DURABLE)
    (letter,) = [one async for one in letters(bus)]
    assert (letter.headers or {})["Dead-Subject"] == shorter


async def test_on_leaving_another_process_has_all_unstarted_work_at_once(
    nats_url: str, bus: Bus, tenant: str
) -> None:
    release = asyncio.Event()

    async def wait_for_release(event: TaskQueued) -> None:
        await release.wait()

    first, second = Recorder(wait_for_release), Recorder()
    async with connected(nats_url, name="second") as other:
        leaving = asyncio.Event()

        async def leave_early() -> None:
            async with consuming(bus, first.router(max_workers=8)):
                await leaving.wait()

        process = asyncio.create_task(leave_early())
        await asyncio.gather(*(queue_task(bus, tenant, f"task-{n}") for n in range(100)))
        await until(lambda: first.running == 8)
        async with consuming(other, second.router(max_workers=32)):
            leaving.set()
            await until(lambda: len(second.done) == 92, within=5)  # `ack_wait` is 15 s
            release.set()
            await process
            await drained(bus, STREAM, DURABLE)
    assert len(first.done) == 8
    assert sorted(first.done + second.done) == sorted(f"task-{n}" for n in range(100))


async def test_what_arrives_while_leaving_goes_back_at_once(
    nats_url: str, bus: Bus, tenant: str
) -> None:
    """The race itself: messages are under way to a process that has just been told to leave."""
    first, second = Recorder(lambda _: asyncio.sleep(0.02)), Recorder()
    async with connected(nats_url, name="second") as other:
        async with consuming(bus, first.router(max_workers=16)):
            for n in range(200):
                await bus.nc.publish(
                    f"cc.{tenant}.dispatch.v1.task.queued.unspecified",
                    TaskQueued(tenant_id=tenant, task_id=f"task-{n}").SerializeToString(),
                )
            await until(lambda: len(first.done) >= 16)
        left = time.monotonic()
        async with consuming(other, second.router(max_workers=32)):
            await drained(bus, STREAM, DURABLE)
            assert time.monotonic() - left < 5  # `ack_wait` is 15 s
    assert sorted(set(first.done + second.done)) == sorted(f"task-{n}" for n in range(200))


async def test_a_lone_message_is_handled_about_as_fast_as_the_client_itself_delivers(
    bus: Bus, tenant: str
) -> None:
    """Compared with a raw push subscription in the same loop; the loop of ours must not poll."""
    recorder, raw = Recorder(), list[float]()

    async def note(message: object) -> None:
        raw.append(asyncio.get_running_loop().time())

    await bus.nc.subscribe(f"cc.{tenant}.>", cb=note)
    async with consuming(bus, recorder.router()):
        for n in range(60):
            await queue_task(bus, tenant, f"task-{n}")
            await until(lambda n=n: len(recorder.done) == n + 1)  # type: ignore[misc] # mypy and defaults
    extra = median(ours - theirs for (_, ours), theirs in zip(recorder.began, raw, strict=True))
    assert extra < 0.003


async def test_a_subscriber_declared_by_hand_is_refused(bus: Bus) -> None:
    router = NatsRouter()

    @router.subscriber("cc.*.dispatch.v1.task.queued.*", stream=STREAM)
    async def forgetful(event: object) -> None:
        """Has the framework's default: what fails is dropped."""

    with pytest.raises(Misdeclared):
        async with consuming(bus, router):
            pass
