"""What the badge shows while somebody is with a call."""

import grpc
import pytest
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources
from centralita.dispatch.v1 import dispatch_service_pb2 as dispatch
from centralita.presence.v1 import events_pb2 as presence

from services.kernel.answers import reason_of
from tests.e2e.people import Edge, User, desk, some

pytestmark = pytest.mark.timeout(60)


async def test_the_badge_follows_a_call_and_its_after_service(edge: Edge) -> None:
    async with desk(edge) as it:
        [ana] = it.agents
        queue_id = await _queue_with_after_service(it.owner, ana.id)
        async with ana.at_work():
            call = await _call(it.owner, queue_id)
            await ana.shows(presence.STATUS_DIALING)
            await ana.accept(call)
            await ana.shows(presence.STATUS_IN_SERVICE)
            done = dispatch.CompleteTaskRequest(task_id=call, request_id=some("r"))
            await ana.dispatch.CompleteTask(done, metadata=ana.metadata)
            await ana.shows(presence.STATUS_AFTER_SERVICE)
            finish = dispatch.FinishAfterServiceRequest(task_id=call, request_id=some("r"))
            await ana.dispatch.FinishAfterService(finish, metadata=ana.metadata)
            await ana.shows(presence.STATUS_READY)


async def _queue_with_after_service(owner: User, user_id: str) -> str:
    queue = resources.Queue(
        queue_id=some("queue"),
        display_name="Calls",
        after_service=resources.AfterService(mode=resources.AfterService.MODE_UNLIMITED),
    )
    await owner.directory.PutQueue(directory.PutQueueRequest(queue=queue), metadata=owner.metadata)
    found = await owner.directory.GetUser(
        directory.GetUserRequest(user_id=user_id), metadata=owner.metadata
    )
    found.user.queue_ids.append(queue.queue_id)
    await owner.directory.PutUser(
        directory.PutUserRequest(user=found.user), metadata=owner.metadata
    )
    return queue.queue_id


async def _call(owner: User, queue_id: str) -> str:
    """Have a call come in, as soon as the router has heard of its queue."""
    task_id = some("call")

    request = dispatch.SubmitTaskRequest(
        task_id=task_id,
        queue_id=queue_id,
        channel=resources.TASK_CHANNEL_CALL,
        request_id=some("r"),
    )
    for _ in range(500):
        try:
            await owner.dispatch.SubmitTask(request, metadata=owner.metadata)
        except grpc.aio.AioRpcError as no:
            if reason_of(no) != "QUEUE_NOT_FOUND":
                raise
            request.request_id = some("r")
        else:
            return task_id
    raise AssertionError("the router has not heard of the queue")
