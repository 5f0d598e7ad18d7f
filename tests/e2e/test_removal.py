"""An administrator removes a queue, a group and a channel account in which there is work."""

from functools import partial
from typing import Any

import aiohttp
import grpc
import pytest
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources
from centralita.dispatch.v1 import dispatch_service_pb2 as dispatch

from services.kernel.answers import reason_of
from tests.e2e.people import Edge, User, desk, refusal, some, until

pytestmark = pytest.mark.timeout(60)


async def test_a_queue_and_a_group_with_work_are_removed_and_an_agent_elsewhere_has_it(
    edge: Edge,
) -> None:
    async with desk(edge, capacity=3) as it:
        (ana,) = it.agents
        old, group = some("old"), some("group")
        await it.owner.directory.PutQueue(
            directory.PutQueueRequest(
                queue=resources.Queue(queue_id=old, display_name="Old", overflow_when_nobody=False)
            ),
            metadata=it.owner.metadata,
        )
        await it.owner.directory.PutGroup(
            directory.PutGroupRequest(group=resources.Group(group_id=group, display_name="Nobody")),
            metadata=it.owner.metadata,
        )
        in_queue = await _submitted(it.owner, queue_id=old)
        at_group = await _submitted(it.owner, group_id=group)
        async with aiohttp.ClientSession(headers=dict(it.owner.metadata)) as http:
            for path, reason in (
                (f"/v1/queues/{old}", "QUEUE_HAS_TASKS"),
                (f"/v1/groups/{group}", "GROUP_HAS_TASKS"),
            ):
                status, body = await _delete(http, edge, path)
                assert (status, reason in str(body)) == (400, True), body
                assert "waiting" in str(body)
            async with ana.at_work():
                for path in (f"/v1/queues/{old}", f"/v1/groups/{group}"):
                    status, body = await _delete(http, edge, path, moveTo=it.queue_id)
                    assert status == 200, body
                    assert (await _delete(http, edge, path))[0] == 404
                for task_id in (in_queue, at_group):
                    await until(partial(ana.view.get, task_id))
                    await ana.accept(task_id)


async def test_an_account_with_an_open_conversation_is_removed_only_if_that_is_left(
    edge: Edge,
) -> None:
    async with desk(edge) as it:
        (ana,) = it.agents
        async with ana.at_work():
            await it.customer.write("Hello")
            task_id = (await ana.offer()).conversation_id
            await ana.accept(task_id)
            request = directory.DeleteChannelAccountRequest(channel_account_id=it.customer.account)
            delete = it.owner.directory.DeleteChannelAccount
            told = await refusal(delete(request, metadata=it.owner.metadata))
            assert told == (
                grpc.StatusCode.FAILED_PRECONDITION,
                "CHANNEL_ACCOUNT_HAS_CONVERSATIONS",
            )
            request.leave_open = True
            await delete(request, metadata=it.owner.metadata)
            await ana.close(task_id)


async def _delete(
    http: aiohttp.ClientSession, edge: Edge, path: str, **asked: str
) -> tuple[int, Any]:
    async with http.delete(f"{edge.url}{path}", params=asked) as answer:
        return answer.status, await answer.text()


async def _submitted(owner: User, *, queue_id: str = "", group_id: str = "") -> str:
    """Have something wait in a new queue or at a new group, when the router has heard of it."""
    task_id = some("task")
    for _ in range(500):
        request = dispatch.SubmitTaskRequest(
            task_id=task_id, queue_id=queue_id, group_id=group_id, request_id=some("r")
        )
        try:
            await owner.dispatch.SubmitTask(request, metadata=owner.metadata)
        except grpc.aio.AioRpcError as no:
            if reason_of(no) not in {"GROUP_NOT_FOUND", "QUEUE_NOT_FOUND"}:
                raise
        else:
            return task_id
    raise AssertionError("the router has not heard of it")
