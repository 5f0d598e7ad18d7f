"""What supervisors did is listed in its order, in pages, to managers of their tenant."""

from typing import Any

import pytest
from centralita.dispatch.v1 import dispatch_service_pb2 as api
from centralita.dispatch.v1.audit_service_pb2 import ListActsRequest
from centralita.dispatch.v1.events_pb2 import (
    QUEUE_MODE_DRAINING,
    QUEUE_MODE_OPEN,
    QUEUE_MODE_PAUSED,
    SupervisorActed,
)
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from services.kernel.bus import Bus
from services.kernel.ids import new_id
from tests.integration.dispatch.centre import Centre, centre, refusal
from tests.streams import until

MODES = (QUEUE_MODE_PAUSED, QUEUE_MODE_DRAINING, QUEUE_MODE_OPEN)
TOLD = (
    SupervisorActed.ACTION_QUEUE_PAUSED,
    SupervisorActed.ACTION_QUEUE_DRAINED,
    SupervisorActed.ACTION_QUEUE_OPENED,
)


async def _three_acts(desk: Centre) -> None:
    await desk.queue("sales")
    await desk.works("ana")
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")  # so the queue is known
    for mode in MODES:
        order = api.SetQueueModeRequest(queue_id="sales", mode=mode, request_id=new_id())
        await desk.ask("SetQueueMode", order, "mia")

    async def listed() -> bool:
        return len((await desk.acts("max", ListActsRequest())).acts) == len(MODES)

    await until(listed, within=10)


async def test_acts_are_listed_in_their_order_in_pages(desk: Centre) -> None:
    await _three_acts(desk)
    found: list[SupervisorActed] = []
    token, pages = "", 0
    while token or not pages:
        page = await desk.acts("max", ListActsRequest(page_size=2, page_token=token))
        found += page.acts
        token, pages = page.next_page_token, pages + 1

    assert pages == 2
    assert [it.action for it in found] == list(TOLD)
    assert {(it.actor_id, it.queue_id) for it in found} == {("mia", "sales")}
    later = Timestamp(seconds=found[-1].at.seconds + 60)
    assert not (await desk.acts("max", ListActsRequest(since=later))).acts


async def test_another_tenant_is_told_nothing(
    desk: Centre, nats_url: str, bus: Bus, tenant: str
) -> None:
    await _three_acts(desk)
    async with centre(nats_url, bus, f"{tenant}-other") as other:
        assert not (await other.acts("max", ListActsRequest())).acts


@pytest.mark.parametrize(
    ("asked", "role", "told"),
    [
        ({}, "supervisor", (StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW")),
        ({"page_size": 201}, "manager", (StatusCode.INVALID_ARGUMENT, "PAGE_SIZE_INVALID")),
        ({"page_token": "x"}, "manager", (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")),
        (
            {"since": Timestamp(seconds=-(10**12))},
            "manager",
            (StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        ),
    ],
)
async def test_what_cannot_be_listed_is_refused(
    desk: Centre, asked: dict[str, Any], role: str, told: tuple[StatusCode, str]
) -> None:
    assert await refusal(desk.acts("max", ListActsRequest(**asked), role)) == told
