"""The router from event to event: handlers, input log, journal, gRPC and public events."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from centralita.directory.v1.resources_pb2 import AfterService, BusinessHours, OpenSpan, Overflow
from centralita.dispatch.v1 import dispatch_service_pb2 as api
from centralita.dispatch.v1.events_pb2 import OFFER_END_CANCELLED
from grpc import StatusCode

from services.dispatch.adapters.outlets import JetStreamOutlets
from services.dispatch.adapters.traces import Traces
from services.dispatch.domain.decisions import Offered
from services.dispatch.use_cases import commands
from services.dispatch.use_cases.ports import Step
from services.kernel import streams
from services.kernel.bus import Bus, connected
from tests.faults import journal_reader
from tests.integration.dispatch.centre import Centre, refusal
from tests.servers import NatsServer
from tests.streams import until


async def test_a_conversation_rings_is_accepted_and_completed(desk: Centre) -> None:
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.accept("ana", "c-1")
    await desk.heard("TaskAssigned", "c-1", "ana")
    await desk.complete("ana", "c-1")
    await desk.heard("TaskCompleted", "c-1", "ana")
    await desk.audited()


async def test_two_agents_and_one_task_have_one_winner(desk: Centre) -> None:
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.works("bo")
    assert await refusal(desk.accept("bo", "c-1")) == (
        StatusCode.FAILED_PRECONDITION,
        "OFFER_NOT_YOURS",
    )
    await desk.accept("ana", "c-1")
    await desk.audited()


async def test_a_declined_task_rings_at_a_colleague(desk: Centre) -> None:
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.works("bo")
    await desk.decline("ana", "c-1")
    await desk.heard("TaskOffered", "c-1", "bo")
    await desk.audited()


async def test_an_unanswered_task_rings_at_a_colleague(desk: Centre) -> None:
    await desk.queue(seconds=1)
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.works("bo")
    await desk.heard("TaskOffered", "c-1", "bo")
    await desk.audited()


async def test_an_agent_who_leaves_is_not_rung_any_more(desk: Centre) -> None:
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.seen("ana", connected=False, receive_new=True)
    await desk.heard("OfferEnded", "c-1", "ana")
    assert (await refusal(desk.accept("ana", "c-1")))[1] == "OFFER_NOT_YOURS"


async def test_a_closed_conversation_ends_its_task(desk: Centre) -> None:
    await desk.opens("c-1")
    await desk.heard("TaskQueued", "c-1")
    await desk.closes("c-1")
    await desk.heard("TaskCancelled", "c-1")
    assert (await refusal(desk.accept("ana", "c-1")))[1] == "OFFER_NOT_YOURS"


async def test_who_closes_what_rings_is_not_taken_for_the_customer(desk: Centre) -> None:
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.closes("c-1", by="mia")
    await desk.heard("TaskCancelled", "c-1")
    assert await desk.offers_ended() == [OFFER_END_CANCELLED]
    await desk.audited()


async def test_a_waiting_task_is_assigned_by_hand_or_refused_with_the_reason(desk: Centre) -> None:
    await desk.works("ana", receive_new=False)
    await desk.opens("c-1")
    await desk.opens("c-2")
    await desk.heard("TaskQueued", "c-2")
    denied = await refusal(desk.assign("outsider", "c-1", "ana"))
    assert denied == (StatusCode.PERMISSION_DENIED, "TASK_NOT_IN_YOUR_QUEUES")
    assert await refusal(desk.assign("boss", "c-9", "ana", "manager")) == (
        StatusCode.NOT_FOUND,
        "TASK_NOT_FOUND",
    )
    unknown = await refusal(desk.assign("boss", "c-1", "ghost", "manager"))
    assert unknown == (StatusCode.FAILED_PRECONDITION, "ASSIGNEE_NOT_IN_QUEUE")
    await desk.assign("boss", "c-1", "ana", "manager")
    full = await refusal(desk.assign("ana", "c-2", "ana"))
    assert full == (StatusCode.FAILED_PRECONDITION, "ASSIGNEE_AT_CAPACITY")
    taken = await refusal(desk.assign("ana", "c-1", "ana"))
    assert taken == (StatusCode.FAILED_PRECONDITION, "TASK_ALREADY_ASSIGNED")
    not_yours = await refusal(desk.complete("bo", "c-1"))
    assert not_yours == (StatusCode.FAILED_PRECONDITION, "TASK_NOT_YOURS")
    await desk.complete("bo", "c-1", "supervisor")
    await desk.audited()


@pytest.mark.parametrize("request_id", ["not a token", "x" * 65, "a.b"])
async def test_a_request_id_must_be_a_token(desk: Centre, request_id: str) -> None:
    refused = await refusal(desk.accept("ana", "c-1", request_id))
    assert refused == (StatusCode.INVALID_ARGUMENT, "REQUEST_ID_INVALID")


async def test_a_task_must_be_named(desk: Centre) -> None:
    refused = await refusal(desk.accept("ana", "", "r-1"))
    assert refused == (StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")


@contextmanager
def impatient() -> Iterator[None]:
    """Let callers give up before any router could have answered."""
    patience, commands.ANSWER_WITHIN_S = commands.ANSWER_WITHIN_S, 0.0
    try:
        yield
    finally:
        commands.ANSWER_WITHIN_S = patience


async def test_an_unknown_outcome_is_resolved_by_asking_again(desk: Centre) -> None:
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    with impatient():
        unknown = await refusal(desk.accept("ana", "c-1", "r-1"))
    assert unknown == (StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")
    await desk.heard("TaskAssigned", "c-1", "ana")
    await desk.accept("ana", "c-1", "r-1")
    await desk.audited()


async def test_one_users_request_id_answers_nobody_else(desk: Centre) -> None:
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.accept("ana", "c-1", "r-1")
    assert (await refusal(desk.accept("bo", "c-1", "r-1")))[1] == "OFFER_NOT_YOURS"


async def test_an_event_delivered_twice_is_one_task(desk: Centre, bus: Bus) -> None:
    await desk.works("ana", capacity=2)
    await desk.opens("c-1", event_id="first")
    await desk.opens("c-1", event_id="again")
    await desk.opens("c-2")
    await desk.heard("TaskOffered", "c-2")
    told = await journal_reader.stored(bus.js, "DISPATCH")
    queued = [it for it in told if it.headers["ce-type"].endswith("TaskQueued")]
    assert len(queued) == 2
    await desk.audited()


async def test_an_event_that_no_stream_takes_is_kept_and_sent_again(
    private_nats: NatsServer,
) -> None:
    offered = Offered("acme", "c-1", "sales", 2, "ana", 1_800_000_000_000)
    at = int(datetime.now(UTC).timestamp() * 1000)
    async with connected(private_nats.url, name="tests") as bus:
        await bus.js.delete_stream("DISPATCH")
        async with JetStreamOutlets(bus, Traces()).open(0, 6) as outlet:
            await outlet.emit(7, [Step(1, at, (offered,))])
            await bus.nc.flush()
            assert outlet.emitted == 6
            await streams.apply(bus.js)
            await until(lambda: outlet.emitted == 7, within=10)
        (stored,) = await journal_reader.stored(bus.js, "DISPATCH")
    assert stored.headers["ce-id"] == "d0-7-1"


async def test_a_wait_is_told_by_whoever_leads(desk: Centre) -> None:
    await desk.works("ana")
    for task in ("c-1", "c-2", "c-3"):
        await desk.opens(task)
        await desk.heard("TaskQueued", task)
    assert (await desk.wait("c-1")).position == 0
    told = await desk.wait("c-3")
    assert told.position == 2
    assert not told.HasField("p50")  # nobody has been served yet
    request = api.GetWaitForTenantRequest(tenant_id=desk.tenant, task_id="c-3")
    assert (await desk.ask("GetWaitForTenant", request)).wait == told
    assert await refusal(desk.wait("c-9")) == (StatusCode.NOT_FOUND, "TASK_NOT_FOUND")


async def test_channels_ask_for_the_wait_of_a_customer_of_any_tenant_and_nobody_else_does(
    desk: Centre,
) -> None:
    await desk.opens("c-1")
    await desk.heard("TaskQueued", "c-1")
    request = api.GetWaitForTenantRequest(tenant_id=desk.tenant, task_id="c-1")
    for service in ("ingestion", "voice"):
        told = await desk.ask("GetWaitForTenant", request, service=service)
        assert told.wait.position == 1
    refused = (StatusCode.PERMISSION_DENIED, "SERVICE_NOT_ALLOWED")
    assert await refusal(desk.ask("GetWaitForTenant", request, service="workspace")) == refused
    assert await refusal(desk.ask("GetWaitForTenant", request, "mia", "owner")) == refused


async def test_the_after_service_holds_its_agent_until_they_finish(desk: Centre) -> None:
    unlimited = AfterService(mode=AfterService.MODE_UNLIMITED)
    await desk.queue(after_service=unlimited)
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.accept("ana", "c-1")
    await desk.closes("c-1")
    await desk.heard("AfterServiceStarted", "c-1", "ana")
    assert await refusal(desk.extend("ana", "c-1")) == (
        StatusCode.FAILED_PRECONDITION,
        "AFTER_SERVICE_NOT_EXTENDABLE",
    )
    await desk.finish("ana", "c-1")
    await desk.heard("TaskCompleted", "c-1", "ana")
    await desk.audited()


async def test_a_queue_out_of_hours_sends_its_tasks_elsewhere(desk: Centre) -> None:
    not_near_today = (datetime.now(UTC).isoweekday() + 2) % 7 + 1
    closed = BusinessHours(
        time_zone="Europe/Madrid",
        weekly=[OpenSpan(weekday=not_near_today, opens=0, closes=1)],
        overflow=Overflow(message="We are closed."),
    )
    await desk.queue(business_hours=closed)
    await desk.openings_are_known()
    await desk.opens("c-1")
    await desk.heard("TaskOverflowed", "c-1")
    await desk.heard("TaskCancelled", "c-1", "We are closed.")
    await desk.audited()
