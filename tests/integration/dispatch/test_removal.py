"""A queue or a group is emptied before it is removed, by the directory and nobody else."""

from typing import Any

import grpc
import pytest
from centralita.dispatch.v1 import removal_service_pb2 as api
from centralita.dispatch.v1.audit_service_pb2 import ListActsRequest
from centralita.dispatch.v1.dispatch_service_pb2 import GetQueueStatusRequest
from centralita.dispatch.v1.events_pb2 import SupervisorActed
from grpc import StatusCode

from services.kernel.ids import new_id
from tests.integration.dispatch.centre import Centre, refusal
from tests.streams import until


async def counted(desk: Centre, queue_id: str) -> api.WorkCount:
    request = api.CountWorkRequest(tenant_id=desk.tenant, queue_id=queue_id)
    work: api.WorkCount = (await desk.removal("CountWork", request)).work
    return work


async def acts(desk: Centre) -> Any:
    """Wait until an act is listed."""

    async def told() -> Any:
        return (await desk.acts("mia", ListActsRequest())).acts

    await until(told, within=10)
    return await told()


async def knows(desk: Centre, queue_id: str) -> None:
    """Wait until the router has heard of a queue."""

    async def heard() -> bool:
        asked = GetQueueStatusRequest(queue_id=queue_id)
        try:
            await desk.ask("GetQueueStatus", asked, "mia")
        except grpc.aio.AioRpcError:
            return False
        return True

    await until(heard, within=10)


def vacating(desk: Centre, **asked: Any) -> api.VacateRequest:
    return api.VacateRequest(
        **{
            "tenant_id": desk.tenant,
            "queue_id": "old",
            "version": 100,
            "target_queue_id": "sales",
            "actor_id": "adam",
            "request_id": new_id(),
            **asked,
        }
    )


async def test_work_in_a_removed_queue_reaches_agents_of_another(desk: Centre) -> None:
    await desk.queue("old")
    await desk.queue("sales")
    await desk.works("ana")
    await desk.works("bo", queue_id="old")
    for task_id in ("c-1", "c-2", "c-3"):
        await desk.opens(task_id, queue_id="old")
        if task_id == "c-1":
            await desk.heard("TaskOffered", "c-1", "bo")
            await desk.accept("bo", "c-1")
        await desk.heard("TaskQueued", task_id)
    assert await counted(desk, "old") == api.WorkCount(waiting=2, in_service=1)

    request = vacating(desk)
    for _ in range(2):  # repeated, it is answered alike
        answer = await desk.removal("Vacate", request)
        assert answer.left == api.WorkCount()
    await desk.heard("TaskOffered", "c-2", "ana")
    await desk.queue_removed("old")
    await desk.opens("late", queue_id="old")
    await desk.heard("TaskQueued", "late")
    assert await counted(desk, "sales") == api.WorkCount(waiting=2, ringing=1, in_service=1)
    await desk.complete("bo", "c-1")
    await desk.heard("TaskCompleted", "c-1", "bo")

    (act,) = await acts(desk)
    assert act.action == SupervisorActed.ACTION_QUEUE_REMOVED
    assert (act.actor_id, act.queue_id, act.target_queue_id) == ("adam", "old", "sales")
    assert act.tasks == 2
    await desk.audited()


async def test_a_group_goes_the_same_way(desk: Centre) -> None:
    await desk.queue("sales")
    await knows(desk, "sales")
    await desk.group("night", "ghost")
    request = vacating(desk, queue_id="", group_id="night")
    await desk.removal("Vacate", request)
    (act,) = await acts(desk)
    assert (act.action, act.group_id) == (SupervisorActed.ACTION_GROUP_REMOVED, "night")
    asked = api.CountWorkRequest(tenant_id=desk.tenant, group_id="night")
    assert (await desk.removal("CountWork", asked)).work == api.WorkCount()


@pytest.mark.parametrize(
    ("asked", "code", "reason"),
    [
        ({"target_queue_id": "nowhere"}, StatusCode.NOT_FOUND, "QUEUE_NOT_FOUND"),
        ({"target_queue_id": "a.b"}, StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        ({"actor_id": ""}, StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        ({"group_id": "night"}, StatusCode.INVALID_ARGUMENT, "DESTINATION_INVALID"),
        ({"queue_id": ""}, StatusCode.INVALID_ARGUMENT, "DESTINATION_INVALID"),
        ({"request_id": ""}, StatusCode.INVALID_ARGUMENT, "REQUEST_ID_INVALID"),
        ({"version": 1}, StatusCode.FAILED_PRECONDITION, "PUT_MEANWHILE"),
    ],
)
async def test_what_cannot_be_emptied_is_refused(
    desk: Centre, asked: dict[str, Any], code: StatusCode, reason: str
) -> None:
    for queue_id in ("sales", "old"):
        await desk.queue(queue_id)
        await knows(desk, queue_id)
    assert await refusal(desk.removal("Vacate", vacating(desk, **asked))) == (code, reason)
